#pragma once

#include <vector>

#include "retrieval/gallery/writer.h"

namespace edgeclip::test {

/// Items with the numbers that a source of a gallery begins with.
inline std::vector<NumberedItem> numbered(const std::vector<GalleryItem>& items, std::uint64_t first, std::int32_t source) {
  std::vector<NumberedItem> all;
  for (const GalleryItem& item : items) all.push_back({first++, source, item});
  return all;
}

/// Adds items as a source and a segment of their own; makes the gallery if there is none.
inline void add_to_gallery(const std::filesystem::path& directory, const GalleryManifest& fresh, const std::vector<GalleryItem>& items,
                           const Tensor& rows, GallerySource source = {}) {
  GalleryWriter writer(directory, fresh);
  if (source.kind.empty()) source.kind = "images";
  source.complete = true;
  const std::int32_t place = writer.put_source(source, std::nullopt, items.size());
  writer.append(numbered(items, writer.manifest().sources[static_cast<std::size_t>(place)].first_item, place), rows.data<float>());
  writer.seal();
}

inline std::vector<GalleryItem> items_of(const GallerySnapshot& gallery) {
  std::vector<GalleryItem> items;
  gallery.each([&](std::int64_t place) { items.push_back(gallery.item(place)); });
  return items;
}

/// (N, D) float32, in gallery order.
inline Tensor rows_of(const GallerySnapshot& gallery) {
  const std::int64_t dim = gallery.manifest().embedding_dim;
  Tensor rows(DType::f32, {gallery.size(), dim});
  float* to = rows.data<float>();
  gallery.each([&](std::int64_t place) {
    gallery.read_row(place, to);
    to += dim;
  });
  return rows;
}

}  // namespace edgeclip::test
