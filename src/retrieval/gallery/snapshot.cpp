#include "retrieval/gallery/snapshot.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/file.h"
#include "base/signals.h"
#include "data/dataset/image_root.h"
#include "retrieval/gallery/format1.h"

namespace edgeclip {

namespace fs = std::filesystem;

GallerySnapshot::GallerySnapshot(fs::path directory, GalleryManifest manifest, std::vector<Segment> segments)
    : directory_(std::move(directory)), manifest_(std::move(manifest)), segments_(std::move(segments)) {
  for (const Segment& segment : segments_) {
    first_.push_back(places_);
    places_ += segment.entry.rows;
    size_ += segment.entry.rows - segment.entry.removed;
  }
}

GallerySnapshot::At GallerySnapshot::at(std::int64_t place) const {
  EDGECLIP_CHECK(place >= 0 && place < places_, "place {} of {}", place, places_);
  const auto which = static_cast<std::size_t>(std::upper_bound(first_.begin(), first_.end(), place) - first_.begin()) - 1;
  return {segments_[which], place - first_[which]};
}

bool GallerySnapshot::is_live(std::int64_t place) const {
  const auto [segment, row] = at(place);
  return segment.is_live(row);
}

GalleryItem GallerySnapshot::item(std::int64_t place) const {
  const auto [segment, row] = at(place);
  return segment.items.item(row);
}

std::uint64_t GallerySnapshot::number(std::int64_t place) const {
  const auto [segment, row] = at(place);
  return segment.items.number(row);
}

std::int32_t GallerySnapshot::source_number(std::int64_t place) const {
  const auto [segment, row] = at(place);
  const std::int32_t source = segment.items.source(row);
  if (source < 0 || static_cast<std::size_t>(source) >= manifest_.sources.size())
    invalid_input("{}: segment {}: row {} is of source {}, of {}; index the images again", directory_.string(), segment.entry.name, row,
                  source, manifest_.sources.size());
  return source;
}

void GallerySnapshot::read_row(std::int64_t place, float* to) const {
  const auto [segment, row] = at(place);
  segment.read_row(row, to);
}

std::int64_t GallerySnapshot::place_of(std::int64_t i) const {
  EDGECLIP_CHECK(i >= 0 && i < size_, "item {} of {}", i, size_);
  for (std::size_t s = 0; s < segments_.size(); ++s) {
    const SegmentEntry& entry = segments_[s].entry;
    if (const std::int64_t live = entry.rows - entry.removed; i >= live) {
      i -= live;
      continue;
    }
    if (entry.removed == 0) return first_[s] + i;
    for (std::int64_t row = 0;; ++row)
      if (segments_[s].is_live(row) && i-- == 0) return first_[s] + row;
  }
  EDGECLIP_CHECK(false, "item {}", i);
  return -1;
}

std::vector<kernels::ScanRows> GallerySnapshot::scan_rows() const {
  std::vector<kernels::ScanRows> parts;
  for (std::size_t s = 0; s < segments_.size(); ++s) {
    const Segment& segment = segments_[s];
    if (segment.entry.rows == 0) continue;
    kernels::ScanRows part;
    const DType type = segment.rows.dtype();
    part.type = type == DType::f32 ? kernels::ScanType::f32 : type == DType::f16 ? kernels::ScanType::f16 : kernels::ScanType::s8;
    part.data = segment.rows.raw();
    if (type == DType::i8) part.scale = segment.scale.data<float>();
    part.rows = segment.entry.rows;
    part.dim = manifest_.embedding_dim;
    if (segment.live.defined()) part.mask = segment.live.data<std::uint64_t>();
    part.first = first_[s];
    parts.push_back(part);
  }
  return parts;
}

void GallerySnapshot::find_images(const std::string& given) {
  std::vector<std::vector<std::int64_t>> places(manifest_.sources.size());
  each([&](std::int64_t place) { places[static_cast<std::size_t>(source_number(place))].push_back(place); });
  for (std::size_t s = 0; s < places.size(); ++s) {
    if (places[s].empty()) continue;
    GallerySource& source = manifest_.sources[s];
    if (source.kind == "archive") {  // one file, wherever it is now
      if (!given.empty()) source.image_root = fs::path(given) / source.image_root.filename();
      if (!fs::is_regular_file(source.image_root))
        invalid_input("{}: its archive {} is not there; name the folder that it was moved to (--image-root)", directory_.string(),
                      source.image_root.string());
      continue;
    }
    source.image_root = find_image_root({directory_, source.image_root, static_cast<std::int64_t>(places[s].size()),
                                         [&](std::int64_t i) { return item(places[s][static_cast<std::size_t>(i)]).path; }},
                                        given);
  }
}

fs::path GallerySnapshot::file_of(std::int64_t place) const {
  const GallerySource& from = source(place);
  const GalleryItem found = item(place);
  if (found.path.empty() || (from.rooted() && !stays_below_root(found.path)))
    invalid_input("{}: item {}: path \"{}\" leaves the image folder; index the images again", directory_.string(), number(place),
                  found.path);
  return from.image_root / found.path;
}

namespace {

GallerySnapshot open_checked(const fs::path& directory, FileCheck check) {
  const fs::path place = fs::absolute(directory).lexically_normal();
  if (gallery_format(directory) == 1) return open_format1(place, check);
  GalleryManifest manifest = read_manifest(directory);
  std::vector<Segment> segments;
  for (const SegmentEntry& entry : manifest.segments) segments.push_back(open_segment(directory, manifest, entry, check));
  return {place, std::move(manifest), std::move(segments)};
}

/// Opened again where gallery.json was replaced meanwhile: files of the generation that was about to be opened may be gone, or be another
/// gallery's (index --overwrite).
GallerySnapshot open_generation(const fs::path& directory, FileCheck check) {
  constexpr int kMostTries = 50;
  gallery_format(directory);
  const auto head = [&] { return read_file(directory / kGalleryFile); };
  for (int i = 1;; ++i) {
    const std::string before = head();
    try {
      GallerySnapshot opened = open_checked(directory, check);
      if (i == kMostTries || head() == before) return opened;
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception&) {
      if (i == kMostTries || head() == before) throw;
    }
  }
}

}  // namespace

GallerySnapshot open_gallery(const fs::path& directory) { return open_generation(directory, FileCheck::kSizes); }

void verify_gallery(const fs::path& directory) {
  const GallerySnapshot gallery = open_generation(directory, FileCheck::kContents);
  const int dim = gallery.manifest().embedding_dim;
  std::vector<float> row(static_cast<std::size_t>(dim));
  std::unordered_set<std::uint64_t> numbers;
  gallery.each([&](std::int64_t place) {
    if (place % 65536 == 0) throw_if_interrupted();
    gallery.read_row(place, row.data());
    double squares = 0;
    for (const float x : row) squares += static_cast<double>(x) * static_cast<double>(x);
    if (!(std::abs(std::sqrt(squares) - 1) < 1e-2))
      invalid_input("{}: item {}: its row is not unit-norm; index the images again", directory.string(), gallery.number(place));
    gallery.file_of(place);
    if (gallery.number(place) >= gallery.manifest().next_item || !numbers.insert(gallery.number(place)).second)
      invalid_input("{}: item {} is there twice, or was never given out; index the images again", directory.string(), gallery.number(place));
  });
}

GallerySnapshot gallery_in_memory(const GalleryManifest& manifest, const std::vector<GalleryItem>& items, Tensor rows, GallerySource source) {
  GalleryManifest all = manifest;
  Segment segment;
  segment.rows = std::move(rows);
  segment.entry.rows = segment.rows.dim(0);
  EDGECLIP_CHECK(segment.rows.shape() == Shape({static_cast<std::int64_t>(items.size()), manifest.embedding_dim}), "{} items",
                 items.size());
  std::vector<NumberedItem> numbered;
  for (const GalleryItem& item : items) numbered.push_back({all.next_item++, static_cast<std::int32_t>(all.sources.size()), item});
  segment.items = ItemTable(numbered);
  all.rows = DType::f32;
  all.sources.push_back(std::move(source));
  all.segments.push_back(segment.entry);
  return {{}, std::move(all), {std::move(segment)}};
}

std::string require_same_space(const GallerySnapshot& gallery, const Encoder& encoder, bool same_precision) {
  const std::string precision = encoder.precision(), where = gallery.directory().string();
  const GalleryManifest& manifest = gallery.manifest();
  if (manifest.embedding_space != encoder.embedding_space() && manifest.embedding_space != encoder.model_hash())
    invalid_input(
        "{}: was made with the model {} ({}), not with {} ({}); search it with a plan of the model it was made with, or index the "
        "images again with this one",
        where, manifest.model_name, manifest.embedding_space, encoder.card().name, encoder.embedding_space());
  for (const Segment& segment : gallery.segments()) {
    const std::string& made = segment.entry.precision;
    if (made.empty() || precision.empty() || made == precision) continue;
    if (same_precision)
      invalid_input("{}: was made with an {} plan, not with an {} one; search it with the {} plan, or leave out --same-precision", where, made,
                    precision, made);
    return fmt::format("{}: was made with an {} plan of this model, and is searched with an {} one: scores differ a little from those of one plan",
                       where, made, precision);
  }
  return "";
}

}  // namespace edgeclip
