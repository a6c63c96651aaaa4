#pragma once

#include <string>

#include "base/json.h"
#include "model/checkpoint.h"

namespace edgeclip {

struct ImportOptions {
  std::string from;  ///< a Hugging Face folder, or a file of weights
  std::string
      model_config;  ///< the library's file about the architecture, where it does not lie beside the weights
  std::string tokenizer, convention;  ///< SPEC; "": the folder's own, or none
  int image_height = 0,
      image_width = 0;  ///< another input size: position embeddings are resized; 0: the model's
  std::string position_rule = "open_clip";
};

/// Weights of another library as a checkpoint, in float32.  report: "source", "tensors", "unused" (names),
/// "ignored" (buffers), "not_finite" (names), "parameters".  Throws InvalidInput naming file and tensor:
/// missing, of another shape, refused.
Checkpoint import_model(const ImportOptions& options, Json* report);

}  // namespace edgeclip
