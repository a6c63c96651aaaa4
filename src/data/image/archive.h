#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

/// Archives of images, through libedgeclip_archive.so (libarchive), which is loaded at the first call and looked for as the media module is.
namespace edgeclip {

/// The files of a tar (also compressed by gzip, bzip2, xz or zstd) or a zip, in order, as it is read.  Not thread-safe.
class ArchiveReader {
 public:
  /// Throws InvalidInput if the file is no such archive, MachineFault if the module is not there.
  explicit ArchiveReader(const std::filesystem::path& path);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  struct Member {
    std::string name;  ///< as the archive has it, without "./" before it
    std::int64_t bytes = -1, time_ns = -1;  ///< -1: not known
  };
  /// The next regular file; false at the end.  Throws InvalidInput where the archive is cut off or damaged.
  bool next(Member* member);
  /// Of the member that next() gave last.  Throws InvalidInput where the archive is damaged, and for more than an image file may have.
  std::string read();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// True if the name ends like an archive (.tar .tar.gz .tgz .tar.bz2 .tbz2 .tar.xz .txz .tar.zst .zip).
bool is_archive_name(const std::filesystem::path& path);

}  // namespace edgeclip
