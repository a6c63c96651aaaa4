#pragma once

#include <string>

#include "base/tensor.h"

namespace edgeclip::builder {

/// How far a result may be from its reference, as in onnx's own tests and NumPy's allclose:
/// |got - want| <= atol + rtol |want|.  The default rtol is just above a unit in the last place of float16;
/// that of bfloat16 is 8 times as large, and rtol counts 8 times for it.
struct Tolerance {
  double rtol = 1e-3;
  double atol = 1e-6;
  std::int64_t integers = 0;  ///< that integers may be apart: 1 where values were rounded to them
};

/// "" if got is want within the tolerance; else what differs, in words.  NaN equals NaN, infinities equal
/// themselves; bool is exact.
std::string difference(const Tensor& got, const Tensor& want, const Tolerance& tolerance);

}  // namespace edgeclip::builder
