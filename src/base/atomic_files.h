#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "base/atomic_file.h"

namespace edgeclip {

/// Files that appear together: commit() gives them their names only when all of them are whole on the disk.
/// What fails before (a full disk at the last of them) leaves none, and the folders that were made for them
/// go too.  A process that is killed between two of the renames leaves the first ones, whole.  Not
/// thread-safe.
class AtomicFiles {
 public:
  AtomicFiles() = default;
  ~AtomicFiles();
  AtomicFiles(const AtomicFiles&) = delete;
  AtomicFiles& operator=(const AtomicFiles&) = delete;

  /// A file to be written at path; lives as long as this.  Throws as AtomicFile does.
  AtomicFile& add(const std::filesystem::path& path);
  void commit();

 private:
  std::vector<std::unique_ptr<AtomicFile>> files_;
};

}  // namespace edgeclip
