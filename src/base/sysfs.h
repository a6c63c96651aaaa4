#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// Reading files of Linux's /sys, which may be absent, or refuse to be read, at any time.
namespace edgeclip {

/// The whole number in a file; nothing if it cannot be read or is none.
std::optional<std::int64_t> sysfs_number(const std::filesystem::path& file);

/// The first line of a file; nothing if it cannot be read.
std::optional<std::string> sysfs_text(const std::filesystem::path& file);

/// What is in a folder, by name; nothing where there is none.
std::vector<std::filesystem::path> sysfs_entries(const std::filesystem::path& folder);

}  // namespace edgeclip
