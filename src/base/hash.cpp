#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

#include "base/mapped_file.h"

namespace edgeclip {

namespace {

std::string hex(const XXH128_hash_t& h) { return fmt::format("{:016x}{:016x}", h.high64, h.low64); }

}  // namespace

std::string hash_bytes(const void* data, std::size_t size) { return hex(XXH3_128bits(data, size)); }

struct Hasher::State {
  XXH3_state_t* const xxh = XXH3_createState();
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  if (state_->xxh == nullptr || XXH3_128bits_reset(state_->xxh) == XXH_ERROR) throw std::bad_alloc();
}

Hasher::~Hasher() { XXH3_freeState(state_->xxh); }

void Hasher::add(const void* data, std::size_t size) { XXH3_128bits_update(state_->xxh, data, size); }

std::string Hasher::result() const { return hex(XXH3_128bits_digest(state_->xxh)); }

std::string hash_file(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  return hash_bytes(mapped.data(), mapped.size());
}

}  // namespace edgeclip
