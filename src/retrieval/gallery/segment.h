#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "retrieval/gallery/item_table.h"
#include "retrieval/gallery/manifest.h"

namespace edgeclip {

/// Rows of a gallery with their items, none of which ever changes.  Memory-mapped when opened; thread-safe; copies share it.
struct Segment {
  SegmentEntry entry;
  Tensor rows;      ///< (N, D) float32, float16 or int8
  Tensor scale;     ///< (N) float32, of int8 alone: a row is its integers times its scale
  ItemTable items;  ///< N
  Tensor live;      ///< ceil(N / 64) words, bit i % 64 of word i / 64 is set unless row i was removed; undefined: none was

  bool is_live(std::int64_t row) const { return !live.defined() || (live.data<std::uint64_t>()[row / 64] >> (row % 64) & 1) != 0; }
  /// Row i as float32 into to[0, D).
  void read_row(std::int64_t row, float* to) const;
};

/// Opens a segment of a gallery.  check: kSizes reads neither rows nor items.  Throws InvalidInput naming the file.
Segment open_segment(const std::filesystem::path& gallery, const GalleryManifest& manifest, const SegmentEntry& entry, FileCheck check);

/// A new segment's folder, from rows that come one by one: it is no part of the gallery until a manifest names it.  items: in the order
/// of their rows; each row has D numbers.
SegmentEntry write_segment(const std::filesystem::path& gallery, const GalleryManifest& manifest, const std::string& name,
                           const std::vector<NumberedItem>& items, const std::function<void(std::int64_t row, float* to)>& read_row);

/// Writes the mask of what is left, and says so in the entry.  generation: of the manifest that will name it.
void write_live(const std::filesystem::path& gallery, SegmentEntry& entry, const std::vector<std::uint64_t>& live, std::int64_t generation);

/// All bits of `rows` rows.
std::vector<std::uint64_t> all_live(std::int64_t rows);

}  // namespace edgeclip
