#pragma once

#include <optional>

#include "builder/build_plan.h"
#include "builder/quantize/quantize_graph.h"
#include "bundle/bundle.h"
#include "bundle/model_card.h"
#include "engine/plan/plan_shapes.h"

namespace edgeclip::builder {

/// Throws InvalidInput if options of quantization are impossible ones, or would have no effect.
void check_quantization_options(const BuildOptions& options);

/// Of the two towers; nothing where a tower is built as it is.
struct TowerQuantizations {
  std::optional<GraphQuantization> image, text;
};

/// --calibration, or, where there is none and the plan is to be int8, the calibration.json that an fp32 bundle has of its own (of a
/// training with int8 in the loop; said in the log).
std::string calibration_for(const BuildOptions& options, const Bundle& bundle);

/// How a bundle becomes --precision, from --calibration: a prepared dataset (256 images of its train split
/// and their captions), a calibration.json (of `quantize`, from the same model; int8 only), or none (int8:
/// products by row).  Throws InvalidInput if the bundle holds another precision, or if mixed has no samples.
TowerQuantizations quantization_of(const BuildOptions& options, const Bundle& bundle);

/// The same of a float32 ONNX model: a folder (folder_samples()), or a prepared dataset where the model's
/// card has image preprocessing and the model takes one image.
GraphQuantization quantization_of(const BuildOptions& options, const engine::Graph& graph,
                                  const ModelCard& card, const engine::GraphShapes& shapes);

}  // namespace edgeclip::builder
