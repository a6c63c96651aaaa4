#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "base/output_claim.h"

namespace edgeclip {

/// Who flushes a file to the disk: its own commit(), or that of the AtomicDirectory it is written into (for
/// the thousands of small files of a dataset, which one flush each would slow down many times).
enum class Flush { kWithFile, kWithFolder };

/// A file that appears whole or not at all, whatever kills the process (what a symbolic link points to is
/// replaced; a device or a pipe is written as it is): written beside its place under a temporary name
/// (base/output_claim.h), flushed to the disk and renamed by commit(), which flushes the folder too.  Without
/// commit() (an exception) the temporary file is removed.  Not thread-safe.  Throws InvalidInput naming the
/// final path (no permission, another process is writing it), MachineFault for a full or broken disk.
class AtomicFile {
 public:
  /// Missing parents are created; those still empty go again when nothing is committed.
  explicit AtomicFile(const std::filesystem::path& path, Flush flush = Flush::kWithFile);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Fills with zeros up to the next multiple of alignment.
  void pad_to(std::size_t alignment);
  std::size_t offset() const { return offset_; }
  /// To the disk, still under the temporary name: what may fail for want of space has been done then.
  void flush();
  void commit();

 private:
  std::filesystem::path path_, temporary_, created_;
  Flush flush_;
  OwnedFd fd_;
  Unfinished unfinished_;
  std::size_t offset_ = 0;
  bool flushed_ = false;
  bool direct_ = false;  ///< a device or pipe: no temporary name, no renaming
};

}  // namespace edgeclip
