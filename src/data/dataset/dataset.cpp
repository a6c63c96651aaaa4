#include "data/dataset/dataset.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/artifact.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/nearest.h"
#include "base/npy.h"
#include "base/parse_number.h"
#include "data/dataset/dataset_format.h"
#include "data/dataset/image_root.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

std::int64_t parse_id(const std::string& text, const std::string& file, std::size_t record) {
  const auto id = parse_number<std::int64_t>(text);
  if (!id) invalid_input("{}: record {}: id \"{}\" is not an integer", file, record, text);
  return *id;
}

void require_shape(const Tensor& array, DType dtype, const Shape& shape, const fs::path& file) {
  if (array.dtype() != dtype || array.shape() != shape)
    invalid_input("{}: is {} of {}, {} of {} is expected; prepare the dataset again", file.string(),
                  shape_string(array.shape()), dtype_name(array.dtype()), shape_string(shape),
                  dtype_name(dtype));
}

void check_files(const fs::path& directory, const Json& files, const std::string& where) {
  if (!files.is_object()) invalid_input("{}: files: an object is expected", where);
  for (const char* name : {kManifestFile, kTokensFile, kIdsFile, kPathsFile})
    if (!files.contains(name))
      invalid_input("{}: files: {} is not listed; prepare the dataset again", where, name);
  for (const auto& [name, hash] : files.items()) {
    if (name.find('/') != std::string::npos)
      invalid_input("{}: files: \"{}\" leaves the folder", where, name);
    const fs::path file = directory / name;
    require_file(file, "part of the dataset");
    if (!hash.is_string() || hash_file(file) != hash.get<std::string>())
      invalid_input(
          "{}: is damaged or changed (its checksum is not the one in {}); prepare the dataset again",
          file.string(), kDatasetFile);
  }
}

/// The unique (split, path), in order of first appearance.
std::vector<ImageItem> images_of(const std::vector<Pair>& pairs, const std::string& file) {
  std::vector<ImageItem> images;
  std::unordered_map<std::string, std::size_t> index;
  for (std::size_t row = 0; row < pairs.size(); ++row) {
    const Pair& pair = pairs[row];
    const auto [at, added] = index.try_emplace(pair.split + '\n' + pair.path, images.size());
    if (added) images.push_back({pair.split, pair.id, pair.path, pair.frame, {}});
    ImageItem& image = images[at->second];
    if (image.id != pair.id || image.frame != pair.frame)
      invalid_input("{}: record {}: {} has another id or frame than before; prepare the dataset again", file,
                    row + 1, pair.path);
    image.rows.push_back(static_cast<std::int64_t>(row));
  }
  return images;
}

}  // namespace

std::vector<std::int64_t> Dataset::split(const std::string& wanted) const {
  std::vector<std::int64_t> found;
  for (std::size_t i = 0; i < images.size(); ++i)
    if (wanted == "all" || images[i].split == wanted) found.push_back(static_cast<std::int64_t>(i));
  if (!found.empty()) return found;
  std::vector<std::string> names = {"all"};
  for (const auto& image : images)
    if (std::find(names.begin(), names.end(), image.split) == names.end()) names.push_back(image.split);
  invalid_input("{}: has no images of split \"{}\"{}", directory.string(), wanted,
                did_you_mean(wanted, names));
}

std::int64_t Dataset::identities(const std::string& name) const {
  std::unordered_set<std::int64_t> ids;
  for (const std::int64_t image : split(name)) ids.insert(images[static_cast<std::size_t>(image)].id);
  return static_cast<std::int64_t>(ids.size());
}

Dataset open_dataset(const fs::path& directory) {
  require_directory(directory, "dataset");
  const fs::path info_file = directory / kDatasetFile;
  const std::string where = info_file.string();
  if (!fs::exists(info_file))
    invalid_input("{}: holds no {}; make a dataset with edgeclip prepare or synthesize", directory.string(),
                  kDatasetFile);
  Dataset dataset;
  dataset.directory = fs::absolute(directory).lexically_normal();
  if (!dataset.directory.has_filename()) dataset.directory = dataset.directory.parent_path();  // "DATASET/"
  dataset.name = dataset.directory.filename().string();
  dataset.info = read_artifact_head(info_file, kDatasetFormat, "prepare the dataset again");
  const auto root = json_get<std::string>(dataset.info, "images", where);
  dataset.image_root = root.empty() ? dataset.directory : dataset.directory / root;
  dataset.context_length = json_get<int>(dataset.info, "context_length", where);
  if (dataset.context_length < 2)
    invalid_input("{}: context_length: {} is not at least 2; prepare the dataset again", where,
                  dataset.context_length);
  if (dataset.info.contains("captions_cut"))
    dataset.captions_cut = json_get<std::int64_t>(dataset.info, "captions_cut", where);
  check_files(directory, json_at(dataset.info, "files", where), where);
  dataset.tokenizer = load_tokenizer((directory / kTokenizerFolder).string());

  const fs::path manifest = directory / kManifestFile;
  const auto records = read_csv_table(manifest, kManifestHeader);
  const auto n = static_cast<std::int64_t>(records.size());
  const auto expected =
      json_get<std::int64_t>(json_at(dataset.info, "counts", where), "pairs", where + ": counts");
  if (n != expected || n == 0)
    invalid_input("{}: has {} records, {} names {}; prepare the dataset again", manifest.string(), n,
                  kDatasetFile, expected);

  dataset.tokens = map_npy(directory / kTokensFile);
  require_shape(dataset.tokens, DType::i32, {n, dataset.context_length}, directory / kTokensFile);
  const Tensor ids = read_npy(directory / kIdsFile);
  require_shape(ids, DType::i64, {n}, directory / kIdsFile);
  Tensor frames;
  if (dataset.info["files"].contains(kFramesFile)) {
    frames = read_npy(directory / kFramesFile);
    require_shape(frames, DType::i64, {n}, directory / kFramesFile);
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& record = records[i];
    Pair pair{record[0], parse_id(record[1], manifest.string(), i + 1), record[2], record[3], -1};
    if (pair.id != ids.data<std::int64_t>()[i])
      invalid_input("{}: record {}: its id differs from {}; prepare the dataset again", manifest.string(),
                    i + 1, kIdsFile);
    if (!is_split_name(pair.split))
      invalid_input("{}: record {}: unknown split \"{}\"", manifest.string(), i + 1, pair.split);
    if (!stays_below_root(pair.path))
      invalid_input("{}: record {}: the path \"{}\" leaves the image folder; prepare the dataset again",
                    manifest.string(), i + 1, pair.path);
    if (frames.defined()) pair.frame = frames.data<std::int64_t>()[i];
    dataset.pairs.push_back(std::move(pair));
  }
  const std::int32_t* tokens = dataset.tokens.data<std::int32_t>();
  const int vocabulary = dataset.tokenizer->vocab_size();
  if (!std::all_of(tokens, tokens + dataset.tokens.elements(),
                   [&](std::int32_t id) { return id >= 0 && id < vocabulary; }))
    invalid_input("{}: holds ids outside the tokenizer's {} pieces; prepare the dataset again",
                  (directory / kTokensFile).string(), vocabulary);
  dataset.images = images_of(dataset.pairs, manifest.string());
  return dataset;
}

Dataset open_dataset_with_images(const fs::path& directory, const std::string& given) {
  Dataset dataset = open_dataset(directory);
  if (const auto source = dataset.info.find("source"); source != dataset.info.end() && source->is_object() &&
                                                       source->contains("images") &&
                                                       source->at("images").is_null() && given.empty())
    invalid_input("{}: was prepared with --no-images and has captions alone; prepare it again with --images",
                  directory.string());
  dataset.image_root = find_image_root(
      {dataset.directory, dataset.image_root, static_cast<std::int64_t>(dataset.images.size()),
       [&](std::int64_t i) { return dataset.images[static_cast<std::size_t>(i)].path; }},
      given);
  return dataset;
}

std::string dataset_hash(const Dataset& dataset) {
  Json holds = Json::object();
  for (const char* key : {"files", "counts", "image_sizes"})
    if (dataset.info.contains(key)) holds[key] = dataset.info[key];
  if (const auto source = dataset.info.find("source"); source != dataset.info.end() && source->is_object())
    for (const auto& [key, value] : source->items())  // of annotations, images, crops
      if (key.size() > 5 && key.compare(key.size() - 5, 5, "_hash") == 0) holds[key] = value;
  return hash_text(holds.dump());
}

}  // namespace edgeclip
