#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/import/source.h"

namespace edgeclip {

/// The parts of a dual encoder that a source can give: what its parameters' names begin with.
inline constexpr const char* kImageTower = "vision_model";
inline constexpr const char* kTextTower = "text_model";
inline constexpr const char* kImageHead = "visual_projection";
inline constexpr const char* kTextHead = "text_projection";
inline constexpr const char* kScale = "logit_scale";

/// A file or folder that a model is made of, opened and described.
struct ImportPart {
  std::string path;  ///< as the user gives it
  Weights weights;
  const WeightSource* source = nullptr;
  ImportedModel model;
  std::string described_by;             ///< the file that says the architecture, for messages
  std::vector<std::string_view> gives;  ///< of the five above; the rest is left out on purpose

  bool gives_part(std::string_view name) const {
    return std::find(gives.begin(), gives.end(), name) != gives.end();
  }
  /// Where the files beside the weights lie.
  std::filesystem::path folder() const;
  /// The last component of path.
  std::string file_name() const;
};

/// config_file: the library's file about the architecture; "": the one beside the weights, if there is one.
/// gives is still empty.  Throws InvalidInput naming the file.
ImportPart open_import_part(const std::string& path, const std::string& config_file);

}  // namespace edgeclip
