#pragma once

#include "base/safetensors.h"
#include "model/dual_encoder.h"

namespace edgeclip {

/// Inputs drawn deterministically and LibTorch's outputs for them, in the order written to
/// reference.safetensors:
///   image/b<B>/pixel_values (B, 3, H, W), image/b<B>/image_embeds (B, D)                     B = 1, 3, 8
///   text/b<B>_t<T>/input_ids (B, T) int64, text/b<B>_t<T>/text_embeds (B, D)  T = 5, 20, context length, as
///   far as they fit
/// In evaluation mode, whatever the model's is.
NamedTensors reference_tensors(DualEncoder& model);

/// What LibTorch has between its layers, for the cases of one image and of one caption of full length, in the order written to
/// layers.safetensors: <case>/<k>/<name> with k = "000", "001", ... and the names of those values in the ONNX files.  reference:
/// reference_tensors(model); image, text: GraphBuilder::layers() of the towers.
NamedTensors layer_tensors(DualEncoder& model, const NamedTensors& reference, const std::vector<std::string>& image,
                           const std::vector<std::string>& text);

}  // namespace edgeclip
