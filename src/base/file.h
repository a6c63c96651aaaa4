#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace edgeclip {

/// What a reader holds in memory at most; a larger file is refused, not read.
inline constexpr std::int64_t kMostTextBytes = std::int64_t{1} << 30;     ///< JSON, CSV, lists, vocabularies
inline constexpr std::int64_t kMostImageBytes = std::int64_t{512} << 20;  ///< one coded image

/// The whole file.  A pipe is read to its end, but not waited for longer than half a minute; a device or
/// socket that does not end is cut by the limit.  Throws InvalidInput if it cannot be read ("FILE: cannot be
/// opened: No such file or directory") or is longer than most_bytes, MachineFault if the machine cannot read
/// it.
std::string read_file(const std::filesystem::path& path, std::int64_t most_bytes = kMostTextBytes);

/// Throws InvalidInput unless path is an existing file that is no folder (or an existing folder, which a
/// replacement that was cut off may have to put back: base/output_claim.h), MachineFault if the machine
/// cannot tell.
void require_file(const std::filesystem::path& path, const char* what);
void require_directory(const std::filesystem::path& path, const char* what);

/// Whether path is folder or lies below it, links followed; neither need exist.
bool lies_within(const std::filesystem::path& path, const std::filesystem::path& folder);

/// Whether a stored path stays below the folder that it is relative to: neither empty nor absolute, and no
/// ".." leads out of it.  Links are not looked at.
bool stays_below_root(const std::string& path);

/// Checks, before hours of work, that an output can be created at path: the nearest parent that exists is a
/// writable folder.  Throws InvalidInput otherwise.  Changes nothing: AtomicFile and AtomicDirectory create
/// missing parents.
void require_writable(const std::filesystem::path& path);

/// path absolute and without a trailing slash or dots, the links of its last part followed: the place that an
/// output replaces.  "out" and "out/" are one place.
std::filesystem::path output_place(const std::filesystem::path& path);

}  // namespace edgeclip
