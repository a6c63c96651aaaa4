#include "retrieval/gallery.h"

#include <charconv>
#include <cmath>

#include "base/artifact.h"
#include "base/atomic_file.h"
#include "base/build_info.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/npy.h"
#include "bundle/bundle.h"
#include "data/dataset/image_root.h"
#include "retrieval/dot.h"
#include "retrieval/image_source.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kEmbeddingsFile = "embeddings.npy";
constexpr const char* kItemsFile = "items.csv";
const std::vector<std::string> kItemsHeader = {"path", "id", "frame", "caption"};

std::int64_t parse_integer(const std::string& text, const std::string& where) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    invalid_input("{}: \"{}\" is not an integer; index the images again", where, text);
  return value;
}

}  // namespace

Gallery open_gallery(const fs::path& directory) {
  require_directory(directory, "gallery");
  const fs::path json_file = directory / kGalleryFile;
  const std::string where = json_file.string();
  if (!fs::exists(json_file))
    invalid_input("{}: holds no {}; make a gallery with edgeclip-edge index", directory.string(),
                  kGalleryFile);
  const Json json = read_artifact_head(json_file, kGalleryFormat, "index the images again");

  Gallery gallery;
  gallery.directory = fs::absolute(directory).lexically_normal();
  gallery.model_hash = json_get<std::string>(json, "model_hash", where);
  gallery.model_name = json_get<std::string>(json, "model", where);
  if (json.contains("precision")) gallery.precision = json_get<std::string>(json, "precision", where);
  gallery.embedding_dim = json_get<int>(json, "embedding_dim", where);
  const auto root = json_get<std::string>(json, "image_root", where);
  gallery.image_root = root.empty() ? gallery.directory : gallery.directory / root;
  gallery.complete = json_get<bool>(json, "complete", where);
  gallery.source = json_at(json, "source", where);
  if (json.contains("left_out"))
    gallery.left_out = json_get<std::vector<std::string>>(json, "left_out", where);
  options_from_json(json_at(json, "image", where), gallery.image, where + ": image.");
  const Json& files = json_at(json, "files", where);
  for (const char* name : {kEmbeddingsFile, kItemsFile})
    if (!files.is_object() || !files.contains(name))
      invalid_input("{}: files: {} is not listed; index the images again", where, name);
  check_file_table(directory, files, where);

  const auto count = json_get<std::int64_t>(json, "count", where);
  const Json kind = gallery.source.is_object() ? gallery.source.value("kind", Json()) : Json();
  const bool rooted = kind == "dataset" || kind == "video";
  const fs::path items_file = directory / kItemsFile;
  for (auto& row : read_csv_table(items_file, kItemsHeader)) {
    const std::string at = fmt::format("{}: row {}", items_file.string(), gallery.items.size() + 1);
    if (row[0].empty()) invalid_input("{}: path is empty; index the images again", at);
    if (rooted && !stays_below_root(row[0]))
      invalid_input("{}: path \"{}\" leaves the image folder; index the images again", at, row[0]);
    gallery.items.push_back({std::move(row[0]), parse_integer(row[1], at + ": id"),
                             parse_integer(row[2], at + ": frame"), std::move(row[3])});
  }
  if (gallery.size() != count)
    invalid_input("{}: has {} items, {} says {}; index the images again", items_file.string(), gallery.size(),
                  kGalleryFile, count);

  const fs::path embeddings_file = directory / kEmbeddingsFile;
  gallery.embeddings = map_npy(embeddings_file);
  if (gallery.embeddings.dtype() != DType::f32 ||
      gallery.embeddings.shape() != Shape({count, gallery.embedding_dim}))
    invalid_input("{}: is {} {}, not float32 ({}, {}); index the images again", embeddings_file.string(),
                  dtype_name(gallery.embeddings.dtype()), shape_string(gallery.embeddings.shape()), count,
                  gallery.embedding_dim);
  const float* rows = gallery.embeddings.data<float>();
  const std::int64_t dim = gallery.embedding_dim;
  for (std::int64_t i = 0; i < count; ++i) {
    const float norm = dot(rows + i * dim, rows + i * dim, dim);
    if (!(std::abs(norm - 1.0f) < 1e-2f))
      invalid_input("{}: row {} is not unit-norm; index the images again", embeddings_file.string(), i);
  }
  return gallery;
}

Gallery open_gallery_with_images(const fs::path& directory, const std::string& given) {
  Gallery gallery = open_gallery(directory);
  gallery.image_root = find_image_root(
      {gallery.directory, gallery.image_root, gallery.size(),
       [&](std::int64_t i) { return parse_item_path(gallery.items[static_cast<std::size_t>(i)].path).file; }},
      given);
  return gallery;
}

void write_gallery(AtomicDirectory& folder, const Gallery& gallery) {
  EDGECLIP_CHECK(gallery.embeddings.shape() == Shape({gallery.size(), gallery.embedding_dim}),
                 "embeddings {} for {} items of width {}", shape_string(gallery.embeddings.shape()),
                 gallery.size(), gallery.embedding_dim);
  write_npy(folder.work() / kEmbeddingsFile, gallery.embeddings);
  AtomicFile items(folder.work() / kItemsFile);
  items.write(csv_row(kItemsHeader));
  for (const GalleryItem& item : gallery.items)
    items.write(csv_row({item.path, std::to_string(item.id), std::to_string(item.frame), item.caption}));
  items.commit();
  write_json(folder.work() / kGalleryFile, {{"format", kGalleryFormat},
                                            {"edgeclip", version()},
                                            {"model", gallery.model_name},
                                            {"model_hash", gallery.model_hash},
                                            {"precision", gallery.precision},
                                            {"embedding_dim", gallery.embedding_dim},
                                            {"count", gallery.size()},
                                            {"complete", gallery.complete},
                                            {"image_root", gallery.image_root.string()},
                                            {"image", options_to_json(gallery.image)},
                                            {"source", gallery.source},
                                            {"left_out", gallery.left_out},
                                            {"files", file_table(folder.work(), kGalleryFile)}});
  folder.commit();
}

void require_same_model(const Gallery& gallery, const Encoder& encoder) {
  if (gallery.model_hash == encoder.model_hash()) return;
  const auto model = [](const std::string& precision, const std::string& name, const std::string& hash) {
    return fmt::format("{}{}{} ({})", precision, precision.empty() ? "" : " model ", name, hash);
  };
  const std::string precision = encoder.precision();
  const bool other_precision =
      !gallery.precision.empty() && !precision.empty() && gallery.precision != precision;
  if (other_precision)  // the hashes of the two plans would say nothing more
    invalid_input(
        "{}: was made with an {} plan, not with this {} one; search it with the {} plan, or index the "
        "images again with this one",
        gallery.directory.string(), gallery.precision, precision, gallery.precision);
  invalid_input(
      "{}: was made with {}, not with {}; search it with the plan it was made with, or index the images "
      "again with this one",
      gallery.directory.string(), model(gallery.precision, gallery.model_name, gallery.model_hash),
      model(precision, encoder.card().name, encoder.model_hash()));
}

Gallery gallery_for(const Encoder& encoder) {
  Gallery gallery;
  gallery.model_hash = encoder.model_hash();
  gallery.model_name = encoder.card().name;
  gallery.precision = encoder.precision();
  gallery.embedding_dim = encoder.card().embedding_dim;
  gallery.image = encoder.card().image;
  gallery.embeddings = Tensor(DType::f32, {0, gallery.embedding_dim});
  return gallery;
}

}  // namespace edgeclip
