#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "data/dataset/dataset.h"

namespace edgeclip {

/// What a prepared dataset is written from.
struct NewDataset {
  std::vector<Pair> pairs{};                                   ///< paths relative to image_root; at least one
  std::vector<std::pair<std::string, std::string>> invalid{};  ///< (record, reason)
  std::filesystem::path image_root{};              ///< absolute; "": the images lie in the dataset
  std::vector<std::pair<int, int>> image_sizes{};  ///< (width, height) of each image; empty: not known
  std::string tokenizer = "train:2000";            ///< a SPEC of load_tokenizer, or "train:SIZE"
  std::string convention{};                        ///< of CLIP's tokenizer, as in load_tokenizer
  int context_length = 77;
  Json source = Json::object();  ///< what it was made from
};

/// Throws InvalidInput if a dataset cannot be made with this tokenizer and context length, as far as that is
/// known without its captions.
void require_tokenizer(const std::string& spec, const std::string& convention, int context_length);

/// Writes a prepared dataset folder.  work: the AtomicDirectory's folder, in which crops/ or images may
/// already lie.  Throws InvalidInput if the tokenizer or the context length cannot be used.
void write_dataset(const std::filesystem::path& work, const NewDataset& dataset);

}  // namespace edgeclip
