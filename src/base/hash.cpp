#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
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
  // Pages that have been read are let go: those of a whole checkpoint would count as this process's memory.
  constexpr std::size_t kPiece = std::size_t{16} << 20;
  const MappedFile mapped(path);
  Hasher hasher;
  for (std::size_t begin = 0; begin < mapped.size(); begin += kPiece) {
    const std::size_t size = std::min(kPiece, mapped.size() - begin);
    hasher.add(mapped.data() + begin, size);
    drop_mapped_pages(mapped.data() + begin, size);
  }
  return hasher.result();
}

}  // namespace edgeclip
