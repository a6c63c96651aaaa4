#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/checkpoint.h"

namespace edgeclip {

struct ExportOptions {
  std::string checkpoint, out;
  bool overwrite = false;  ///< a bundle at `out` may be replaced
  int opset = 17;              ///< 12 to 20
  bool external_data = false;  ///< weights in files beside the models, which happens above 2 GiB anyway
  bool merged = false;         ///< also model.onnx: both towers and the logits, for other runtimes
  bool uint8_pixels = false;   ///< also image_uint8.onnx, which takes resized bytes and normalizes them itself; model.onnx does too
  std::string adapter{};          ///< load_checkpoint()'s
  std::vector<int> token_merging{};  ///< in the place of the checkpoint's (VisionConfig::token_merging); none: as it says
  double token_budget = 0;        ///< instead: merging_for_budget()'s; 0: as the checkpoint says
  bool separate_adapter = false;  ///< hf: a PEFT folder adapter/ beside the base's weights instead of merged ones
};

/// Checkpoint to bundle: both towers as ONNX (checked), tokenizer, reference inputs and LibTorch's outputs,
/// bundle.json. An adapter is merged in memory first.  Returns the report.
Json export_bundle(const ExportOptions& options);

}  // namespace edgeclip
