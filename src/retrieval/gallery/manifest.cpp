#include "retrieval/gallery/manifest.h"

#include <algorithm>

#include "base/build_info.h"
#include "base/file.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRemedy = "index the images again";

Json to_json(const GallerySource& s) {
  Json json = {{"kind", s.kind},   {"path", s.path}, {"image_root", s.image_root.string()}, {"shard", s.shard}, {"frame_step", s.frame_step},
          {"list", s.list},   {"first_item", s.first_item}, {"complete", s.complete}, {"left_out", s.left_out}};
  if (s.constant_rate) json["constant_rate"] = true;
  return json;
}

GallerySource source_from(const Json& json, const fs::path& gallery, const std::string& at) {
  GallerySource s;
  s.kind = json_get<std::string>(json, "kind", at);
  s.path = json_get<std::string>(json, "path", at);
  s.image_root = gallery / json_get<std::string>(json, "image_root", at);  // an absolute one stays as it is
  s.shard = json_get<std::string>(json, "shard", at);
  s.frame_step = json_get<int>(json, "frame_step", at);
  if (json.contains("constant_rate")) s.constant_rate = json_get<bool>(json, "constant_rate", at);
  s.list = json_get<std::string>(json, "list", at);
  s.first_item = json_get<std::uint64_t>(json, "first_item", at);
  s.complete = json_get<bool>(json, "complete", at);
  s.left_out = json_get<std::vector<std::string>>(json, "left_out", at);
  return s;
}

Json to_json(const SegmentEntry& s) {
  Json json = {{"name", s.name}, {"rows", s.rows}, {"removed", s.removed}, {"model_hash", s.model_hash}, {"precision", s.precision}};
  if (!s.live.empty()) json["live"] = s.live;
  json["files"] = s.files;
  return json;
}

SegmentEntry segment_from(const Json& json, const std::string& at) {
  SegmentEntry s;
  s.name = json_get<std::string>(json, "name", at);
  if (s.name.size() != 6 || s.name.find_first_not_of("0123456789") != std::string::npos) invalid_input("{}: name: \"{}\" is no name of a folder", at, s.name);
  s.rows = json_get<std::int64_t>(json, "rows", at);
  s.removed = json_get<std::int64_t>(json, "removed", at);
  if (s.rows < 0 || s.removed < 0 || s.removed > s.rows) invalid_input("{}: {} of {} rows are removed; {}", at, s.removed, s.rows, kRemedy);
  if (json.contains("live")) s.live = json_get<std::string>(json, "live", at);
  s.files = json_at(json, "files", at);
  s.model_hash = json_get<std::string>(json, "model_hash", at);
  s.precision = json_get<std::string>(json, "precision", at);
  return s;
}

const Json& list_at(const Json& json, const char* key, const std::string& where) {
  const Json& list = json_at(json, key, where);
  if (!list.is_array()) json_type_error(list, key, where, "a list");
  return list;
}

}  // namespace

std::int64_t GalleryManifest::size() const {
  std::int64_t size = 0;
  for (const SegmentEntry& s : segments) size += s.rows - s.removed;
  return size;
}

bool GalleryManifest::complete() const {
  for (const GallerySource& s : sources)
    if (!s.complete) return false;
  return true;
}

GalleryManifest manifest_for(const Encoder& encoder) {
  GalleryManifest manifest;
  manifest.embedding_space = encoder.embedding_space();
  manifest.model_name = encoder.card().name;
  manifest.embedding_dim = encoder.card().embedding_dim;
  manifest.image = encoder.card().image;
  return manifest;
}

std::string segment_name(std::int64_t number) { return fmt::format("{:06}", number); }

fs::path segment_folder(const fs::path& gallery, const std::string& name) { return gallery / "segments" / name; }

DType row_type(const std::string& name, const std::string& where) {
  for (const DType type : {DType::f32, DType::f16, DType::i8})
    if (name == dtype_name(type)) return type;
  invalid_input("{}: \"{}\" is neither float32 nor float16 nor int8", where, name);
}

int gallery_format(const fs::path& gallery) {
  require_directory(gallery, "gallery");
  const fs::path file = gallery / kGalleryFile;
  if (!fs::exists(file))
    invalid_input("{}: holds no {}; make a gallery with edgeclip-edge index", gallery.string(), kGalleryFile);
  return json_get<int>(read_artifact_head(file, kGalleryFormats, kRemedy), "format", file.string());
}

GalleryManifest read_manifest(const fs::path& gallery) {
  const fs::path file = gallery / kGalleryFile;
  const std::string where = file.string();
  const Json json = read_artifact_head(file, kGalleryFormats, kRemedy);
  GalleryManifest m;
  m.generation = json_get<std::int64_t>(json, "generation", where);
  m.embedding_space = json_get<std::string>(json, "embedding_space", where);
  m.model_name = json_get<std::string>(json, "model", where);
  m.embedding_dim = json_get<int>(json, "embedding_dim", where);
  if (m.embedding_dim < 1) invalid_input("{}: embedding_dim: {} is not at least 1; {}", where, m.embedding_dim, kRemedy);
  m.rows = row_type(json_get<std::string>(json, "rows", where), where + ": rows");
  options_from_json(json_at(json, "image", where), m.image, where + ": image.");
  m.next_item = json_get<std::uint64_t>(json, "next_item", where);
  m.next_segment = json_get<std::int64_t>(json, "next_segment", where);
  constexpr std::int64_t kMost = std::int64_t{1} << 53, kMostSegments = 1'000'000;
  if (m.generation < 0 || m.generation > kMost || m.next_item > static_cast<std::uint64_t>(kMost) || m.next_segment < 1 ||
      m.next_segment >= kMostSegments)
    invalid_input("{}: generation, next_item or next_segment is out of range; {}", where, kRemedy);
  for (const Json& source : list_at(json, "sources", where))
    m.sources.push_back(source_from(source, fs::absolute(gallery), fmt::format("{}: sources[{}]", where, m.sources.size())));
  for (const Json& segment : list_at(json, "segments", where)) {
    m.segments.push_back(segment_from(segment, fmt::format("{}: segments[{}]", where, m.segments.size())));
    const std::string& name = m.segments.back().name;
    if (name >= segment_name(m.next_segment) || std::any_of(m.segments.begin(), m.segments.end() - 1, [&](const auto& s) { return s.name == name; }))
      invalid_input("{}: segments[{}]: \"{}\" is there twice, or not below next_segment; {}", where, m.segments.size() - 1, name, kRemedy);
  }
  return m;
}

void write_manifest(const fs::path& gallery, const GalleryManifest& m) {
  Json sources = Json::array(), segments = Json::array();
  for (const GallerySource& source : m.sources) sources.push_back(to_json(source));
  for (const SegmentEntry& segment : m.segments) segments.push_back(to_json(segment));
  write_json(gallery / kGalleryFile, {{"format", kGalleryFormats.newest},
                                      {"edgeclip", version()},
                                      {"generation", m.generation},
                                      {"embedding_space", m.embedding_space},
                                      {"model", m.model_name},
                                      {"embedding_dim", m.embedding_dim},
                                      {"rows", dtype_name(m.rows)},
                                      {"count", m.size()},
                                      {"complete", m.complete()},
                                      {"image", options_to_json(m.image)},
                                      {"next_item", m.next_item},
                                      {"next_segment", m.next_segment},
                                      {"sources", sources},
                                      {"segments", segments}});
}

}  // namespace edgeclip
