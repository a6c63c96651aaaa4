#include "base/float16.h"
#include "engine/ops/convert.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Cast between all element types.
namespace edgeclip::engine {

namespace {

template <class From, class To>
void convert_all(const From* x, To* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i]);
}

DType wanted_dtype(const Node& node) {
  const std::int64_t to = node.int_or("to", 0);
  const std::optional<DType> dtype = onnx_dtype(to);
  if (!dtype) refuse(node, "cannot cast to element type {}", to);
  return *dtype;
}

void infer_cast(ShapeContext& context) {
  add_output(context, wanted_dtype(context.node), context.inputs[0].shape);
}

/// Between types that are no 16-bit floats.
void convert_tensor(const Node& node, const TensorView& x, const OutputView& y) {
  visit_number_or_bool(node, x.dtype, [&](auto source) {
    visit_number_or_bool(node, y.dtype, [&](auto target) {
      convert_all(x.as<decltype(source)>(), y.as<decltype(target)>(), y.elements());
    });
  });
}

/// From 16-bit floats through float32, which holds all of them; to them through float64, so that every type
/// is rounded once (int64 beyond 2^53 aside).
void run_cast(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const OutputView& y = outputs[0];
  if (inputs[0].dtype == y.dtype) return copy_elements(node, inputs, outputs);
  Tensor from;
  TensorView x = inputs[0];
  if (is_16_bit_float(x.dtype)) {
    from = widened(x);
    x = from.view();
  }
  if (!is_16_bit_float(y.dtype)) return convert_tensor(node, x, y);
  Tensor wide(DType::f64, y.shape);
  convert_tensor(node, x, {DType::f64, y.shape, wide.raw()});
  const double* values = wide.data<double>();
  if (y.dtype == DType::f16)
    for (std::int64_t i = 0, n = y.elements(); i < n; ++i) y.as<Half>()[i] = Half(values[i]);
  else
    for (std::int64_t i = 0, n = y.elements(); i < n; ++i) y.as<BFloat16>()[i] = BFloat16(values[i]);
}

void infer_cast_like(ShapeContext& context) {
  add_output(context, context.inputs[1].dtype, context.inputs[0].shape);
}

}  // namespace

const std::vector<Operator>& cast_operators() {
  static const std::vector<Operator> rows = taking_16_bit_floats({
      // saturate and round_mode only matter for 8-bit floats, which the engine does not have
      {"Cast", "", 6, kNewestOpset, infer_cast, run_cast, 1, 1, 1, "to:i! saturate:i round_mode:s"},
      {"CastLike", "", 15, kNewestOpset, infer_cast_like, run_cast, 2, 2, 1, "saturate:i round_mode:s"},
  });
  return rows;
}

}  // namespace edgeclip::engine
