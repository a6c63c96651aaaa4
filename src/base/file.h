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

/// Whether path is folder or lies below it, links followed; neither need exist.
bool lies_within(const std::filesystem::path& path, const std::filesystem::path& folder);

/// Checks, before hours of work, that an output can be created at path: the nearest parent that exists is a
/// writable folder.  Throws InvalidInput otherwise.  Changes nothing: AtomicFile and AtomicDirectory create
/// missing parents.
void require_writable(const std::filesystem::path& path);

}  // namespace edgeclip
