#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "retrieval/gallery/item.h"

namespace edgeclip {

/// An item with its number, which no other item of its gallery ever has, and its source.
struct NumberedItem {
  std::uint64_t number = 0;
  std::int32_t source = 0;  ///< of GalleryManifest::sources
  GalleryItem item;
};

/// Items of a segment as columns, memory-mapped: nothing is read that is not asked for.  Read-only and thread-safe; copies share it.
class ItemTable {
 public:
  ItemTable() = default;
  /// Of a safetensors file (docs/formats.md); reads its header alone.  Throws InvalidInput if a column is missing or not of `rows`.
  ItemTable(const std::filesystem::path& file, std::int64_t rows);
  /// In memory.
  explicit ItemTable(const std::vector<NumberedItem>& items);

  std::int64_t rows() const { return rows_; }
  /// Throws InvalidInput where a string's place is outside of its column: the file is damaged.
  GalleryItem item(std::int64_t row) const;
  std::uint64_t number(std::int64_t row) const { return number_.data<std::uint64_t>()[row]; }
  std::int32_t source(std::int64_t row) const { return source_.data<std::int32_t>()[row]; }
  std::int64_t person(std::int64_t row) const { return person_.data<std::int64_t>()[row]; }
  std::int64_t time(std::int64_t row) const { return time_.data<std::int64_t>()[row]; }
  std::string_view path(std::int64_t row) const { return path_.at(row, file_); }
  std::string_view camera(std::int64_t row) const { return camera_.at(row, file_); }
  /// By camera_code(): whether a camera is one of these.
  std::vector<bool> cameras_among(const std::set<std::string>& names) const;
  /// Throws InvalidInput where it is none.
  std::size_t camera_code(std::int64_t row) const;

  void write(const std::filesystem::path& file) const;

 private:
  /// Strings that repeat: a code for each row, and each distinct string once.
  struct Strings {
    Tensor code;    ///< (N) int32
    Tensor offset;  ///< (M + 1) int64
    Tensor bytes;   ///< UTF-8, one behind the other
    std::string_view at(std::int64_t row, const std::string& file) const { return string(checked_code(row, file), file); }
    std::int64_t checked_code(std::int64_t row, const std::string& file) const;
    std::string_view string(std::int64_t which, const std::string& file) const;
    std::int64_t count() const { return offset.dim(0) - 1; }
  };

  std::string file_ = "items";
  std::int64_t rows_ = 0;
  Tensor number_, source_, person_, frame_, box_, time_, track_, file_bytes_, file_time_, in_video_;
  Strings path_, caption_, camera_;
};

}  // namespace edgeclip
