#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/tensor.h"
#include "data/text/tokenizer.h"

/// A prepared dataset (docs/formats.md): dataset.json, manifest.csv, invalid.csv, tokens.npy, ids.npy,
/// paths.npy, tokenizer/, crops/.
namespace edgeclip {

/// One row of manifest.csv: one (image, caption) pair.
struct Pair {
  std::string split;    ///< "train" | "val" | "test"
  std::int64_t id = 0;  ///< person identity
  std::string path;     ///< below image_root
  std::string caption;
  std::int64_t frame =
      -1;  ///< video datasets: frame number, else -1 (kept in manifest.csv's sister file frames.npy)
};

/// One image with everything said of it, in manifest order.
struct ImageItem {
  std::string split;
  std::int64_t id = 0;
  std::string path;
  std::int64_t frame = -1;
  std::vector<std::int64_t> rows;  ///< indices into pairs
};

/// Read-only and thread-safe once opened.
struct Dataset {
  std::filesystem::path directory;
  std::filesystem::path image_root;  ///< absolute; paths of pairs are relative to it
  std::string name;                  ///< folder name
  Json info;                         ///< dataset.json
  std::vector<Pair> pairs;
  std::vector<ImageItem> images;  ///< unique (split, path), in order of first appearance
  Tensor tokens;                  ///< (pairs, T) int32, padded
  int context_length = 0;         ///< T
  std::int64_t captions_cut = 0;  ///< captions that are longer than T and lost their ends
  std::shared_ptr<const Tokenizer> tokenizer;

  std::filesystem::path image_path(const std::string& path) const { return image_root / path; }
  /// Indices into images of one split, in order.  "all" gives all.  Throws InvalidInput if the split has no
  /// images.
  std::vector<std::int64_t> split(const std::string& name) const;
  /// Different persons of a split.  Throws as split() does.
  std::int64_t identities(const std::string& name) const;
};

/// Opens and checks it (versions, counts, checksums of arrays, that no path of an image leaves image_root).
/// Images are not looked for.  Throws InvalidInput naming what is missing.
Dataset open_dataset(const std::filesystem::path& directory);

/// The same for those who read the images: image_root is where they are found (find_image_root; given: the
/// user's --image-root or "").  Throws InvalidInput if it is not known where, or if the dataset was prepared
/// without images.
Dataset open_dataset_with_images(const std::filesystem::path& directory, const std::string& given = {});

/// Hash of what a dataset holds, wherever it lies: trainings note it, and what is evaluated is compared with it.
std::string dataset_hash(const Dataset& dataset);

}  // namespace edgeclip
