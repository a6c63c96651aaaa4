#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace edgeclip {

/// The whole file.  Throws InvalidInput if it cannot be read ("FILE: cannot be opened: No such file or
/// directory").
std::string read_file(const std::filesystem::path& path);

/// Throws InvalidInput unless path is an existing regular file (or an existing folder).
void require_file(const std::filesystem::path& path, const char* what);
void require_directory(const std::filesystem::path& path, const char* what);

/// Checks, before hours of work, that an output can be created at path: its parent exists or can be made, is
/// a folder, and is writable.  Throws InvalidInput otherwise.  Creates missing parents.
void require_writable(const std::filesystem::path& path);

}  // namespace edgeclip
