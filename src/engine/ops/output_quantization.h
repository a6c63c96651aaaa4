#pragma once

#include <cstdint>
#include <optional>

#include "engine/ops/operator.h"

namespace edgeclip::engine {

/// What QuantMatMul and QuantConv store of their float32 result y.  In a node: attribute out_type ("" or left
/// out: y itself, "uint8", "int8") and, where there is one, out_scale (float > 0) and out_zero_point (in the
/// type's range): QuantizeLinear(y, out_scale, out_zero_point), saturated.  The oracle rounds y / out_scale,
/// halves to even, before it adds the zero point, and stores NaN as the zero point; fast kernels round the sum
/// (they differ by one step where y lies exactly between two steps and the zero point is odd) and store any
/// value for NaN.
struct OutputQuantization {
  DType dtype = DType::f32;
  float scale = 1;
  std::int32_t zero_point = 0;

  bool quantizes() const { return dtype != DType::f32; }
};

/// Throws InvalidInput (a plan made by hand or by another version) if an attribute is missing or out of
/// range.
OutputQuantization output_quantization_of(const Node& node);

/// The attribute `name`, 0 if left out.  Throws InvalidInput if it is not in the range of `dtype`, uint8 or
/// int8, or of either where the type is not known.
std::int32_t zero_point_of(const Node& node, const char* name, std::optional<DType> dtype = {});
/// The attribute `name`.  Throws InvalidInput unless it is there, positive and finite.
float scale_of(const Node& node, const char* name);

/// y as it is stored, element by element: the oracle of the fast ones.
void store_output(const float* y, std::int64_t count, const OutputQuantization& how,
                  const OutputView& output);

}  // namespace edgeclip::engine
