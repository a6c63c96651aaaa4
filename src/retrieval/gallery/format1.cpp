#include "retrieval/gallery/format1.h"

#include <charconv>

#include "base/atomic_directory.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/npy.h"
#include "base/parse_number.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kEmbeddingsFile = "embeddings.npy";
constexpr const char* kItemsFile = "items.csv";
constexpr std::string_view kFrameMark = "#frame=";

std::int64_t parse_integer(const std::string& text, const std::string& where) {
  const auto value = parse_number<std::int64_t>(text);
  if (!value) invalid_input("{}: \"{}\" is not an integer; index the images again", where, text);
  return *value;
}

/// Format 1 writes a frame of a video as "VIDEO#frame=N".
void take_frame_apart(GalleryItem& item) {
  const std::size_t mark = item.path.rfind(kFrameMark);
  if (mark == std::string::npos) return;
  std::int64_t frame = -1;
  const char* const end = item.path.data() + item.path.size();
  const auto parsed = std::from_chars(item.path.data() + mark + kFrameMark.size(), end, frame);
  if (parsed.ec != std::errc() || parsed.ptr != end || frame < 0) return;
  item.path.resize(mark);
  item.frame = frame;
  item.in_video = true;
}

}  // namespace

GallerySnapshot open_format1(const fs::path& directory, FileCheck check) {
  const fs::path json_file = directory / kGalleryFile;
  const std::string where = json_file.string();
  const Json json = read_artifact_head(json_file, 1, "index the images again");
  GalleryManifest manifest;
  const auto model_hash = json_get<std::string>(json, "model_hash", where);
  manifest.embedding_space = json.contains("embedding_space") ? json_get<std::string>(json, "embedding_space", where) : model_hash;
  manifest.model_name = json_get<std::string>(json, "model", where);
  manifest.embedding_dim = json_get<int>(json, "embedding_dim", where);
  options_from_json(json_at(json, "image", where), manifest.image, where + ": image.");

  GallerySource source;
  const auto root = json_get<std::string>(json, "image_root", where);
  source.image_root = root.empty() ? directory : directory / root;
  source.complete = json_get<bool>(json, "complete", where);
  if (json.contains("left_out")) source.left_out = json_get<std::vector<std::string>>(json, "left_out", where);
  const Json& from = json_at(json, "source", where);
  const auto text = [&](const char* key, const char* otherwise) {
    return from.is_object() && from.contains(key) ? json_get<std::string>(from, key, where + ": source") : std::string(otherwise);
  };
  source.kind = text("kind", "images");
  source.path = text("path", "");
  source.shard = text("shard", "1/1");
  if (from.is_object() && from.contains("frame_step")) source.frame_step = json_get<int>(from, "frame_step", where + ": source");

  const Json& files = json_at(json, "files", where);
  for (const char* name : {kEmbeddingsFile, kItemsFile})
    if (!files.is_object() || !files.contains(name))
      invalid_input("{}: files: {} is not listed; index the images again", where, name);
  check_file_table(directory, files, where, check);
  const auto count = json_get<std::int64_t>(json, "count", where);
  const fs::path items_file = directory / kItemsFile;
  std::vector<GalleryItem> items;
  for (auto& row : read_csv_table(items_file, {"path", "id", "frame", "caption"})) {
    const std::string at = fmt::format("{}: row {}", items_file.string(), items.size() + 1);
    if (row[0].empty()) invalid_input("{}: path is empty; index the images again", at);
    GalleryItem item{std::move(row[0]), parse_integer(row[1], at + ": id"), parse_integer(row[2], at + ": frame"), std::move(row[3])};
    take_frame_apart(item);
    if (source.rooted() && !stays_below_root(item.path))
      invalid_input("{}: path \"{}\" leaves the image folder; index the images again", at, item.path);
    items.push_back(std::move(item));
  }
  if (static_cast<std::int64_t>(items.size()) != count)
    invalid_input("{}: has {} items, {} says {}; index the images again", items_file.string(), items.size(), kGalleryFile, count);

  const fs::path embeddings_file = directory / kEmbeddingsFile;
  Tensor rows = map_npy(embeddings_file);
  if (rows.dtype() != DType::f32 || rows.shape() != Shape({count, manifest.embedding_dim}))
    invalid_input("{}: is {} {}, not float32 ({}, {}); index the images again", embeddings_file.string(), dtype_name(rows.dtype()),
                  shape_string(rows.shape()), count, manifest.embedding_dim);
  const GallerySnapshot made = gallery_in_memory(manifest, items, std::move(rows), std::move(source));
  std::vector<Segment> segments = made.segments();
  segments[0].entry.model_hash = model_hash;
  if (json.contains("precision")) segments[0].entry.precision = json_get<std::string>(json, "precision", where);
  return {directory, made.manifest(), std::move(segments)};
}

void upgrade_format1(const fs::path& directory) {
  if (gallery_format(directory) != 1)
    invalid_input("{}: is of format {} already; there is nothing to do", directory.string(), gallery_format(directory));
  AtomicDirectory folder(directory, kGalleryFile, {true});
  const GallerySnapshot old = open_format1(fs::absolute(directory).lexically_normal(), FileCheck::kContents);
  GalleryManifest manifest = old.manifest();
  manifest.generation = 1;
  manifest.next_segment = 2;
  std::vector<NumberedItem> items;
  old.each([&](std::int64_t place) { items.push_back({old.number(place), 0, old.item(place)}); });
  SegmentEntry entry = write_segment(folder.work(), manifest, "000001", items,
                                           [&](std::int64_t row, float* to) { old.read_row(row, to); });
  entry.model_hash = old.segments()[0].entry.model_hash;
  entry.precision = old.segments()[0].entry.precision;
  manifest.segments = {entry};
  write_manifest(folder.work(), manifest);
  folder.commit();
}

}  // namespace edgeclip
