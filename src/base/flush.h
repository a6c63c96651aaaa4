#pragma once

#include <filesystem>

/// Bringing files, and the names of files, to the disk: what is renamed before it is flushed may be found
/// empty after a power cut.  All throw MachineFault naming `output` if the disk fails.
namespace edgeclip {

/// The names in the folder above place, and those of the folders that were created for it (`topmost` of them,
/// or "").
void flush_parents(const std::filesystem::path& place, const std::filesystem::path& topmost);

/// Every file and folder of a tree, one by one.
void flush_tree(const std::filesystem::path& folder, const std::filesystem::path& output);

/// The whole file system that folder lies on, in one call: for folders of thousands of files.
void flush_disk_of(const std::filesystem::path& folder, const std::filesystem::path& output);

}  // namespace edgeclip
