#include "engine/ops/quantize_rows.h"

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// edgeclip.QuantizeRows (opset 1): int8 activations with a scale for each row (token), found while the graph
/// runs, so that no calibration is needed and a row's result depends on no other row.
///   scale[m] = max_k |x[m, k]| / 127, 1 for a row of zeros;  y[m, k] = round(x[m, k] / scale[m]), halves to
///   even
/// input    x (..., K) float32
/// outputs  y (..., K) int8, in -127..127; scale (..., 1) float32
/// A row that holds an infinity or a NaN gets that as its scale, so that what is computed from it is no
/// number either; its own numbers are 0.
///
/// edgeclip.AffineQuantizeRows (opset 1): the same with a zero point for each row, for activations that lie to one side
/// of zero; per row what ONNX's DynamicQuantizeLinear does for all.
///   low = min(0, min_k x[m, k]), high = max(0, max_k x[m, k]);  scale[m] = (high - low) / 255, 1 for a row of zeros
///   zero_point[m] = round(-low / scale[m]);  y[m, k] = saturate(round(x[m, k] / scale[m]) + zero_point[m])
/// input    x (..., K) float32
/// outputs  y (..., K) uint8; scale (..., 1) float32; zero_point (..., 1) int32, in 0..255
/// Of infinities and NaN as above; zero points are 0 there.

namespace edgeclip::engine {

namespace {

/// y of `bytes`, and the shape of what each row has.
Shape infer_rows(ShapeContext& context, DType bytes) {
  if (context.inputs[0].dtype != DType::f32)
    refuse(context.node, "x is {}, not float32", dtype_name(context.inputs[0].dtype));
  Shape shape = context.inputs[0].shape;
  if (shape.empty()) refuse(context.node, "x has no dimension");
  add_output(context, bytes, shape);
  shape.back() = 1;
  add_output(context, DType::f32, shape);
  return shape;
}

void infer_quantize_rows(ShapeContext& context) { infer_rows(context, DType::i8); }
void infer_affine_quantize_rows(ShapeContext& context) {
  add_output(context, DType::i32, infer_rows(context, DType::u8));
}

/// Where output i goes, or null.
template <class T>
T* place(const Outputs& outputs, std::size_t i) {
  return i < outputs.size() && outputs[i].data ? outputs[i].as<T>() : nullptr;
}

std::int64_t rows_of(const Shape& shape) { return product(shape, 0, shape.size() - 1); }

void run_quantize_rows(const Node&, const Inputs& inputs, const Outputs& outputs) {
  kernels::row_kernels(kernels::CpuLevel::scalar).quantize(quantized_rows(inputs, outputs));
}
void run_affine_quantize_rows(const Node&, const Inputs& inputs, const Outputs& outputs) {
  kernels::row_kernels(kernels::CpuLevel::scalar).quantize_affine(affine_rows(inputs, outputs));
}

}  // namespace

kernels::QuantizedRows quantized_rows(const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  return {inputs[0].as<float>(), rows_of(shape), shape.back(), place<std::int8_t>(outputs, 0), place<float>(outputs, 1)};
}

kernels::AffineRows affine_rows(const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  return {inputs[0].as<float>(),        rows_of(shape),           shape.back(),
          place<std::uint8_t>(outputs, 0), place<float>(outputs, 1), place<std::int32_t>(outputs, 2)};
}

const std::vector<Operator>& quantize_rows_operators() {
  static const std::vector<Operator> rows = {
      {"QuantizeRows", "edgeclip", 1, 1, infer_quantize_rows, run_quantize_rows, 1, 1, 2},
      {"AffineQuantizeRows", "edgeclip", 1, 1, infer_affine_quantize_rows, run_affine_quantize_rows, 1, 1, 3}};
  return rows;
}

}  // namespace edgeclip::engine
