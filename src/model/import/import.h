#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "model/checkpoint.h"

namespace edgeclip {

struct ImportOptions {
  std::string from;         ///< a Hugging Face folder, or a file of weights, with both towers
  std::string image, text;  ///< instead of from: where each tower comes from
  std::string adapter;      ///< a PEFT adapter's folder, or none
  /// The library's file about the architecture, where it does not lie beside the weights; goes with from.
  std::string model_config;
  std::string tokenizer, convention;  ///< SPEC; "": the text tower's folder's own, or none
  int projection_dim = 0;             ///< D; 0: that of a source with both towers, else kUsualProjection
  std::string projection = "linear";  ///< of both heads: "linear" | "mlp", which no source has
  std::uint64_t seed = 0;             ///< of heads that no source gives
  std::string image_pooling, text_pooling;  ///< VisionConfig's and TextConfig's; "": the source's
  /// Another input size: position embeddings are resized; 0: the model's.
  int image_height = 0, image_width = 0;
  std::string position_rule = "open_clip";
  bool leave_out_extra =
      false;  ///< tensors that belong to no part of the model: a warning instead of an error

  static constexpr int kUsualProjection = 512, kMostDimensions = 8192;
  /// Throws InvalidInput; where: start of the message.
  void validate(const std::string& where) const;
};

/// Weights of other libraries as a checkpoint, in float32.  report: "source", "tensors", "unused" (names that
/// belong to no part of the model), "ignored" (names left out on purpose), "not_finite" (names),
/// "initialized" (ours that no file gives), "image_processor" (a file or null), "adapter" (likewise),
/// "parameters".  Warns of what is unused, not finite or initialized.  Throws InvalidInput naming file and
/// tensor or key.
Checkpoint import_model(const ImportOptions& options, Json* report);

}  // namespace edgeclip
