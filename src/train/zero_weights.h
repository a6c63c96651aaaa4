#pragma once

#include "model/dual_encoder.h"

namespace edgeclip {

/// The gradients of layer_weights() that are 0 become 0.  So an optimizer that never saw another gradient of them leaves them 0
/// (AdamW's moments and its decay are 0 for them), and the zeros of the weights are all that a sparse training has to remember.
void drop_gradients_of_zeros(const DualEncoder& model);

}  // namespace edgeclip
