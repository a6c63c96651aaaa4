#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "base/mapped_file.h"

namespace edgeclip {

std::string hash_bytes(const void* data, std::size_t size) {
  const XXH128_hash_t h = XXH3_128bits(data, size);
  return fmt::format("{:016x}{:016x}", h.high64, h.low64);
}

std::string hash_file(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  return hash_bytes(mapped.data(), mapped.size());
}

}  // namespace edgeclip
