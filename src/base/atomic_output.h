#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace edgeclip {

/// A file that appears whole or not at all: written beside its place under a temporary name, flushed to the
/// disk and renamed by commit().  Without commit() (an exception) the temporary file is removed.  Not
/// thread-safe. Every failure (full disk, no permission) is an InvalidInput naming the final path.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Fills with zeros up to the next multiple of alignment.
  void pad_to(std::size_t alignment);
  std::size_t offset() const { return offset_; }
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
  std::size_t offset_ = 0;
};

/// A folder that appears whole or not at all: fill work(), then commit() renames it to its place.  An older
/// folder there is replaced only if it holds `marker` (it is an artifact of ours, or empty); anything else is
/// refused at construction, before any work is done.
class AtomicDirectory {
 public:
  AtomicDirectory(std::filesystem::path path, std::string_view marker);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const std::filesystem::path& work() const { return work_; }
  void commit();

 private:
  std::filesystem::path path_, work_;
  bool committed_ = false;
};

}  // namespace edgeclip
