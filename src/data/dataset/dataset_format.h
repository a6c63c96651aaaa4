#pragma once

#include <algorithm>
#include <string>
#include <vector>

/// Names that the writer and the reader of a prepared dataset share (docs/formats.md).
namespace edgeclip {

inline constexpr int kDatasetFormat = 1;
inline constexpr const char* kDatasetFile = "dataset.json";
inline constexpr const char* kManifestFile = "manifest.csv";
inline constexpr const char* kInvalidFile = "invalid.csv";
inline constexpr const char* kTokensFile = "tokens.npy";
inline constexpr const char* kIdsFile = "ids.npy";
inline constexpr const char* kPathsFile = "paths.npy";
inline constexpr const char* kFramesFile = "frames.npy";  ///< (pairs,) int64; video datasets only
inline constexpr const char* kTokenizerFolder = "tokenizer";
inline const std::vector<std::string> kManifestHeader = {"split", "id", "path", "caption"};
inline const std::vector<std::string> kInvalidHeader = {"record", "reason"};
inline const std::vector<std::string> kSplitNames = {"train", "val", "test"};

inline bool is_split_name(const std::string& name) {
  return std::find(kSplitNames.begin(), kSplitNames.end(), name) != kSplitNames.end();
}

}  // namespace edgeclip
