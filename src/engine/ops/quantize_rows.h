#pragma once

#include "engine/ops/operator.h"
#include "kernels/norm/row_kernels.h"

namespace edgeclip::engine {

/// What edgeclip.QuantizeRows and edgeclip.AffineQuantizeRows (quantize_rows.cpp) have to do: the rows of the input, and
/// where the outputs go, null where one is left out.
kernels::QuantizedRows quantized_rows(const Inputs& inputs, const Outputs& outputs);
kernels::AffineRows affine_rows(const Inputs& inputs, const Outputs& outputs);

}  // namespace edgeclip::engine
