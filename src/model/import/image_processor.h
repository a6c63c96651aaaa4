#pragma once

#include <filesystem>

#include "base/json.h"
#include "data/image/transform.h"

namespace edgeclip {

/// What transformers says of a model's images, and where it says so.
struct ImageProcessorFile {
  Json json;          ///< null: the folder has none
  std::string where;  ///< the file, for messages
};

/// preprocessor_config.json of the folder, or the part of processor_config.json that takes its place in newer
/// versions, which look there first.
ImageProcessorFile find_image_processor(const std::filesystem::path& folder);

/// The transform that CLIPImageProcessor or ViTImageProcessor computes, with height and width as the file
/// says. usual: what keys are where neither the file nor its class says them.  Throws InvalidInput naming
/// file and key for what is not computed here; a key that is not known is a warning.
ImageTransform read_image_processor(const ImageProcessorFile& file, const ImageTransform& usual);

}  // namespace edgeclip
