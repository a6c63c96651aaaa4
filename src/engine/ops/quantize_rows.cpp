#include "engine/ops/families.h"
#include "engine/ops/support.h"
#include "kernels/norm/row_kernels.h"

/// edgeclip.QuantizeRows (opset 1): int8 activations with a scale for each row (token), found while the graph
/// runs, so that no calibration is needed and a row's result depends on no other row.
///   scale[m] = max_k |x[m, k]| / 127, 1 for a row of zeros;  y[m, k] = round(x[m, k] / scale[m]), halves to
///   even
/// input    x (..., K) float32
/// outputs  y (..., K) int8, in -127..127; scale (..., 1) float32
/// A row that holds an infinity or a NaN gets that as its scale, so that what is computed from it is no
/// number either; its own numbers are 0.

namespace edgeclip::engine {

namespace {

void infer_quantize_rows(ShapeContext& context) {
  if (context.inputs[0].dtype != DType::f32)
    refuse(context.node, "x is {}, not float32", dtype_name(context.inputs[0].dtype));
  Shape shape = context.inputs[0].shape;
  if (shape.empty()) refuse(context.node, "x has no dimension");
  add_output(context, DType::i8, shape);
  shape.back() = 1;
  add_output(context, DType::f32, shape);
}

void run_quantize_rows(const Node&, const Inputs& inputs, const Outputs& outputs) {
  const std::int64_t width = inputs[0].shape.back(),
                     rows = product(inputs[0].shape, 0, inputs[0].shape.size() - 1);
  kernels::row_kernels(kernels::CpuLevel::scalar)
      .quantize({inputs[0].as<float>(), rows, width, outputs[0].data ? outputs[0].as<std::int8_t>() : nullptr,
                 outputs.size() > 1 && outputs[1].data ? outputs[1].as<float>() : nullptr});
}

}  // namespace

const std::vector<Operator>& quantize_rows_operators() {
  static const std::vector<Operator> rows = {
      {"QuantizeRows", "edgeclip", 1, 1, infer_quantize_rows, run_quantize_rows, 1, 1, 2}};
  return rows;
}

}  // namespace edgeclip::engine
