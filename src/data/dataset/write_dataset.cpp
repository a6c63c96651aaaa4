#include "data/dataset/write_dataset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/io_error.h"
#include "base/npy.h"
#include "data/dataset/dataset_format.h"
#include "data/dataset/tokenize_captions.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// The number of pieces of "train:SIZE"; nothing for any other SPEC.
std::optional<int> trained_size(const std::string& spec, const std::string& convention) {
  constexpr std::string_view kTrain = "train:";
  if (spec.compare(0, kTrain.size(), kTrain) != 0) return std::nullopt;
  if (!convention.empty())
    invalid_input("the tokenizer \"{}\" has no choice of conventions; leave \"{}\" out", spec, convention);
  int size = 0;
  const char* end = spec.data() + spec.size();
  const auto parsed = std::from_chars(spec.data() + kTrain.size(), end, size);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    invalid_input("tokenizer \"{}\": train:SIZE needs a number of pieces, as in train:2000", spec);
  return size;
}

std::shared_ptr<const Tokenizer> make_tokenizer(const std::string& spec, const std::string& convention,
                                                const std::vector<Pair>& pairs) {
  const auto size = trained_size(spec, convention);
  if (!size) return load_tokenizer(spec, convention);
  // What is evaluated must not shape the model; a dataset without a training split has no other captions.
  std::vector<std::string> texts;
  for (const auto& pair : pairs)
    if (pair.split == "train") texts.push_back(pair.caption);
  if (texts.empty())
    for (const auto& pair : pairs) texts.push_back(pair.caption);
  return train_tokenizer(texts, *size);
}

void write_csv(const fs::path& path, const std::vector<std::string>& header,
               const std::vector<std::vector<std::string>>& rows) {
  AtomicFile file(path);
  std::string text = csv_row(header);
  for (const auto& row : rows) text += csv_row(row);
  file.write(text);
  file.commit();
}

/// {"min", "mean", "max"} of the values; mean to two digits.
Json summary(const std::vector<std::int64_t>& values) {
  double sum = 0;
  for (const auto value : values) sum += static_cast<double>(value);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {{"min", *low},
          {"mean", std::round(100 * sum / static_cast<double>(values.size())) / 100},
          {"max", *high}};
}

/// {"width", "height"} of the images in pixels, and how many sizes there are; null if not known.
Json size_summary(const std::vector<std::pair<int, int>>& sizes) {
  if (sizes.empty()) return nullptr;
  std::vector<std::int64_t> widths, heights;
  for (const auto& [width, height] : sizes) {
    widths.push_back(width);
    heights.push_back(height);
  }
  return {{"width", summary(widths)},
          {"height", summary(heights)},
          {"different", std::set<std::pair<int, int>>(sizes.begin(), sizes.end()).size()}};
}

/// Counts of one split, or of all for "".
Json counts_of(const std::vector<Pair>& pairs, const std::string& split) {
  std::set<std::string> images;
  std::set<std::int64_t> identities;
  std::int64_t n = 0;
  for (const auto& pair : pairs) {
    if (!split.empty() && pair.split != split) continue;
    ++n;
    images.insert(pair.split + '\n' + pair.path);
    identities.insert(pair.id);
  }
  return {{"pairs", n}, {"images", images.size()}, {"identities", identities.size()}};
}

void require_context_length(int context_length) {
  constexpr int kLongestContext = 4096;
  if (context_length < 3 || context_length > kLongestContext)
    invalid_input("context length {} is out of range (3 to {})", context_length, kLongestContext);
}

}  // namespace

void require_tokenizer(const std::string& spec, const std::string& convention, int context_length) {
  require_context_length(context_length);
  if (!trained_size(spec, convention)) load_tokenizer(spec, convention);
}

void write_dataset(const fs::path& work, const NewDataset& dataset) {
  const std::vector<Pair>& pairs = dataset.pairs;
  const int context_length = dataset.context_length;
  const fs::path& image_root = dataset.image_root;
  require_context_length(context_length);
  EDGECLIP_CHECK(!pairs.empty(), "a dataset without pairs");
  EDGECLIP_CHECK(image_root.empty() || image_root.is_absolute(), "{}", image_root.string());
  const auto tokenizer = make_tokenizer(dataset.tokenizer, dataset.convention, pairs);
  std::error_code error;
  fs::create_directory(work / kTokenizerFolder, error);
  if (error) throw_output_error(work, error.value());
  tokenizer->save(work / kTokenizerFolder);

  const auto n = static_cast<std::int64_t>(pairs.size());
  const TokenizedCaptions captions = tokenize_captions(pairs, *tokenizer, context_length);
  Tensor ids(DType::i64, {n}), frames(DType::i64, {n});
  std::vector<std::int64_t> captions_of_image;
  std::vector<std::string> paths;
  std::vector<std::vector<std::string>> manifest, rejected;
  std::map<std::string, std::int64_t> per_image;
  bool video = false;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Pair& pair = pairs[i];
    EDGECLIP_CHECK(is_split_name(pair.split), "split {}", pair.split);
    ids.data<std::int64_t>()[i] = pair.id;
    frames.data<std::int64_t>()[i] = pair.frame;
    video |= pair.frame >= 0;
    ++per_image[pair.split + '\n' + pair.path];
    paths.push_back(pair.path);
    manifest.push_back({pair.split, std::to_string(pair.id), pair.path, pair.caption});
  }
  for (const auto& [image, count] : per_image) captions_of_image.push_back(count);
  for (const auto& [record, reason] : dataset.invalid) rejected.push_back({record, reason});

  write_csv(work / kManifestFile, kManifestHeader, manifest);
  write_csv(work / kInvalidFile, kInvalidHeader, rejected);
  write_npy(work / kTokensFile, captions.tokens);
  write_npy(work / kIdsFile, ids);
  write_npy_strings(work / kPathsFile, paths);
  Json files = Json::object();
  for (const char* name : {kManifestFile, kInvalidFile, kTokensFile, kIdsFile, kPathsFile})
    files[name] = hash_file(work / name);
  if (video) {
    write_npy(work / kFramesFile, frames);
    files[kFramesFile] = hash_file(work / kFramesFile);
  }
  Json counts = counts_of(pairs, ""), splits = Json::object();
  counts["invalid"] = dataset.invalid.size();
  for (const auto& name : kSplitNames) splits[name] = counts_of(pairs, name);
  write_json(work / kDatasetFile,
             Json{{"format", kDatasetFormat},
                  {"edgeclip", version()},
                  {"images", image_root.string()},
                  {"counts", counts},
                  {"splits", splits},
                  {"captions_per_image", summary(captions_of_image)},
                  {"caption_tokens", summary(captions.lengths)},  // with begin and end, before the cut
                  {"captions_cut", captions.cut()},
                  {"image_sizes", size_summary(dataset.image_sizes)},
                  {"context_length", context_length},
                  {"tokenizer", {{"spec", dataset.tokenizer}, {"vocab_size", tokenizer->vocab_size()}}},
                  {"source", dataset.source},
                  {"files", files}});
}

}  // namespace edgeclip
