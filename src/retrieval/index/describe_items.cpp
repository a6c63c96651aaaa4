#include "retrieval/index/describe_items.h"

#include <memory>
#include <unordered_map>

#include "base/error.h"
#include "base/log.h"
#include "retrieval/gallery/exchange.h"
#include "retrieval/gallery/time_text.h"
#include "retrieval/index/box_file.h"
#include "retrieval/index/name_pattern.h"

namespace edgeclip {

namespace {

void read_names(ImageSource& source, const ItemDescription& description) {
  const auto shared = std::make_shared<const NamePattern>(description.name_pattern, parse_zone(description.time_zone, "--time-zone"));
  const NamePattern& pattern = *shared;
  if (source.kind == "video") {
    source.video_item.path = source.video.filename().string();
    if (!pattern.read(source.video_item)) spdlog::warn("{}: its name is not of the form \"{}\"", source.description, description.name_pattern);
    return;
  }
  if (source.kind == "archive") {
    source.describe = [shared](GalleryItem& item) { shared->read(item); };
    return;
  }
  std::int64_t others = 0;
  std::string first;
  for (GalleryItem& item : source.items)
    if (!pattern.read(item) && ++others == 1) first = item.path;
  if (others > 0)
    spdlog::warn("{}: {} of {} names are not of the form \"{}\"; the first: {}", source.description, others, source.items.size(),
                 description.name_pattern, first);
}

/// What a row knows is put over what is known already.
GalleryItem joined(const GalleryItem& known, const GalleryItem& row) {
  GalleryItem item = known;
  if (row.id >= 0) item.id = row.id;
  if (row.frame >= 0) item.frame = row.frame;
  if (!row.caption.empty()) item.caption = row.caption;
  if (!row.camera.empty()) item.camera = row.camera;
  if (row.time != kUnknownTime) item.time = row.time;
  if (row.track >= 0) item.track = row.track;
  item.box = row.box;
  return item;
}

void read_table(ImageSource& source, const std::string& table) {
  if (source.kind == "video") invalid_input("--table {}: is for images; {} is a video", table, source.description);
  std::unordered_map<std::string, std::vector<GalleryItem>> rows;
  std::int64_t left = 0;
  for (GalleryItem& row : read_item_table(table)) {
    rows[row.path].push_back(std::move(row));
    ++left;
  }
  std::vector<GalleryItem> items;
  std::int64_t without = 0;
  for (const GalleryItem& known : source.items) {
    const auto at = rows.find(known.path);
    if (at == rows.end()) {
      ++without;
      items.push_back(known);
      continue;
    }
    for (const GalleryItem& row : at->second) items.push_back(joined(known, row));
    left -= static_cast<std::int64_t>(at->second.size());
    rows.erase(at);
  }
  if (without == static_cast<std::int64_t>(source.items.size()))
    invalid_input("{}: names none of the images of {}; write paths as they are below {}", table, source.description,
                  source.image_root.string());
  if (without > 0) spdlog::warn("{}: {} of {} images are not in {}", source.description, without, source.items.size(), table);
  if (left > 0) spdlog::warn("{}: {} rows are of images that {} does not have; the first: {}", table, left, source.description, rows.begin()->first);
  source.items = std::move(items);
}

}  // namespace

void describe_items(ImageSource& source, const ItemDescription& description) {
  if (source.kind == "archive" && !(description.table.empty() && description.boxes.empty()))
    invalid_input("{}: --table and --boxes are for images whose names are known before they are read; unpack the archive", source.description);
  if (!description.name_pattern.empty()) read_names(source, description);
  if (!description.boxes.empty()) apply_box_file(source, description.boxes, description.box_score);
  if (!description.table.empty()) read_table(source, description.table);
}

}  // namespace edgeclip
