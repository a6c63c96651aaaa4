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

}  // namespace edgeclip
