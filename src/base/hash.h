#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

/// Checksums of artifacts: XXH3, 128 bits, as 32 lower-case hex digits (github.com/Cyan4973/xxHash).  They
/// find damage and mix-ups; they are no protection against forgery.
namespace edgeclip {

std::string hash_bytes(const void* data, std::size_t size);
inline std::string hash_text(std::string_view text) { return hash_bytes(text.data(), text.size()); }
std::string hash_file(const std::filesystem::path& path);

/// The hash of bytes that come piece by piece: the same as hash_bytes() of all of them together.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  void add(const void* data, std::size_t size);
  std::string result() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace edgeclip
