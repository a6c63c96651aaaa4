#include "engine/ops/quantize_rows.h"

#include "engine/ops/families.h"
#include "engine/ops/support.h"

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
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* x = inputs[0].as<float>() + r * width;
    const float scale = row_scale(x, width);
    if (outputs.size() > 1 && outputs[1].data) outputs[1].as<float>()[r] = scale;
    if (!outputs[0].data) continue;
    auto* y = outputs[0].as<std::int8_t>() + r * width;
    for (std::int64_t k = 0; k < width; ++k) y[k] = quantize_symmetric(x[k], scale);
  }
}

}  // namespace

const std::vector<Operator>& quantize_rows_operators() {
  static const std::vector<Operator> rows = {
      {"QuantizeRows", "edgeclip", 1, 1, infer_quantize_rows, run_quantize_rows, 1, 1, 2}};
  return rows;
}

}  // namespace edgeclip::engine
