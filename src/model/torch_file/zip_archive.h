#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"

namespace edgeclip {

/// A zip file in memory, through libzip.  Records that are stored as they are (PyTorch's) are checked by
/// their CRC when read.  Not thread-safe.
class ZipArchive {
 public:
  /// Throws InvalidInput naming `file` if it has no sound directory.
  ZipArchive(const MappedFile& mapped, const std::string& file);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  struct Record {
    std::shared_ptr<const std::byte> owner;
    const std::byte* data = nullptr;
    std::size_t size = 0;
    std::string_view view() const { return {reinterpret_cast<const char*>(data), size}; }
  };

  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const;
  /// Throws InvalidInput naming file and record if it is damaged, or compressed beyond the file's own size.
  Record read(const std::string& name) const;

 private:
  MappedFile mapped_;
  std::string file_;
  void* zip_ = nullptr;  ///< libzip's zip_t
  std::vector<std::string> names_;
};

}  // namespace edgeclip
