#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

/// Checksums of artifacts: XXH3, 128 bits, as 32 lower-case hex digits (github.com/Cyan4973/xxHash).  They
/// find damage and mix-ups; they are no protection against forgery.
namespace edgeclip {

std::string hash_bytes(const void* data, std::size_t size);
inline std::string hash_text(std::string_view text) { return hash_bytes(text.data(), text.size()); }
std::string hash_file(const std::filesystem::path& path);

}  // namespace edgeclip
