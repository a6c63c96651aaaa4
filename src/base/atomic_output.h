#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <string_view>

namespace edgeclip {

/// Who flushes a file to the disk: its own commit(), or that of the AtomicDirectory it is written into (for
/// the thousands of small files of a dataset, which one flush each would slow down many times).
enum class Flush { kWithFile, kWithFolder };

/// A file that appears whole or not at all (what a symbolic link points to is replaced; a device or a pipe is
/// written as it is): written beside its place under a temporary name, flushed to the disk and renamed by
/// commit().  Without commit() (an exception) the temporary file is removed.  Not thread-safe. Every failure
/// (full disk, no permission) is an InvalidInput naming the final path.
class AtomicFile {
 public:
  /// Missing parents are created; those still empty go again when nothing is committed.
  explicit AtomicFile(std::filesystem::path path, Flush flush = Flush::kWithFile);
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
  std::filesystem::path path_, temporary_, created_;
  Flush flush_;
  int fd_ = -1;
  std::size_t offset_ = 0;
  bool direct_ = false;  ///< a device or pipe: no temporary name, no renaming
};

/// Throws InvalidInput unless AtomicDirectory(path, marker) would be created.  Changes nothing.
void require_replaceable(const std::filesystem::path& path, std::string_view marker,
                         std::initializer_list<std::filesystem::path> inputs = {});

/// A folder that appears whole or not at all: fill work(), then commit() renames it to its place.  An older
/// folder there is replaced only if it is empty or an artifact of ours, headed by `marker` (base/artifact.h);
/// anything else is refused at construction, before any work is done.  Parents as in AtomicFile.
class AtomicDirectory {
 public:
  /// inputs: what is read while the folder is made; refused if it lies in the folder that is replaced.
  AtomicDirectory(std::filesystem::path path, std::string_view marker,
                  std::initializer_list<std::filesystem::path> inputs = {});
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const std::filesystem::path& work() const { return work_; }
  /// flush: kWithFolder if files were written that way.
  void commit(Flush flush = Flush::kWithFile);

 private:
  std::filesystem::path path_, work_, created_;  ///< path_ without symbolic links: their target is replaced
  bool committed_ = false;
};

}  // namespace edgeclip
