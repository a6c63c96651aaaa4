#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

namespace edgeclip {

/// A read-only memory-mapped file.  Copies share the mapping; it lives until the last copy goes.  Thread-safe
/// to read.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws InvalidInput if the file cannot be opened.  An empty file has data() == nullptr, size() == 0.
  explicit MappedFile(const std::filesystem::path& path);

  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  /// Shares ownership of the mapping with whoever keeps a pointer into it.
  std::shared_ptr<const std::byte> owner() const { return data_; }

 private:
  std::shared_ptr<const std::byte> data_;
  std::size_t size_ = 0;
};

/// Takes the whole pages of [data, data + size) out of this process's memory if they are of a MappedFile that
/// lives: they are read from the file again when they are next needed.  Does nothing to other memory.
/// Thread-safe.
void drop_mapped_pages(const std::byte* data, std::size_t size);

}  // namespace edgeclip
