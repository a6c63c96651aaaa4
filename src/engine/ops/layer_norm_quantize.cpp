#include "engine/ops/families.h"
#include "engine/ops/support.h"
#include "kernels/norm/row_kernels.h"

/// LayerNormQuantizeRows (domain edgeclip, opset 1): LayerNormalization over the last axis and QuantizeRows of
/// what it gives, in one.
///   x (..., K), scale (K), shift (K) or left out: float32; epsilon
///   q (..., K) int8, q_scale (..., 1) float32: edgeclip.QuantizeRows of y
///   y (..., K) float32: LayerNormalization of x; a third output, where the floats are read as well
namespace edgeclip::engine {

namespace {

void infer_layer_norm_quantize(ShapeContext& context) {
  const Node& node = context.node;
  Shape shape = context.inputs[0].shape;
  if (shape.empty()) refuse(node, "x has no dimension");
  for (std::size_t i = 0; i < context.inputs.size(); ++i) {
    if (!node.has_input(i)) continue;
    if (context.inputs[i].dtype != DType::f32)
      refuse(node, "input {} is {}, not float32", i, dtype_name(context.inputs[i].dtype));
    if (i > 0 && context.inputs[i].shape != Shape{shape.back()})
      refuse(node, "input {} is {} for rows of {}", i, shape_string(context.inputs[i].shape), shape.back());
  }
  add_output(context, DType::i8, shape);
  Shape scales = shape;
  scales.back() = 1;
  add_output(context, DType::f32, scales);
  if (node.outputs.size() > 2) add_output(context, DType::f32, shape);
}

void run_layer_norm_quantize(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  Tensor y(DType::f32, inputs[0].shape);
  Node norm;
  norm.op = "LayerNormalization";
  norm.inputs = node.inputs;
  norm.outputs = {0};
  norm.attributes["epsilon"] = node.float_or("epsilon", 1e-5F);
  find_operator("", "LayerNormalization", 17)->reference(norm, inputs, {{y.dtype(), y.shape(), y.raw()}});
  const std::int64_t width = y.shape().back();
  kernels::row_kernels(kernels::CpuLevel::scalar)
      .quantize({y.data<float>(), width == 0 ? 0 : y.elements() / width, width, outputs[0].data ? outputs[0].as<std::int8_t>() : nullptr,
                 outputs.size() > 1 && outputs[1].data ? outputs[1].as<float>() : nullptr});
  if (outputs.size() > 2 && outputs[2].data) std::copy_n(y.data<float>(), y.elements(), outputs[2].as<float>());
}

}  // namespace

const std::vector<Operator>& layer_norm_quantize_operators() {
  static const std::vector<Operator> rows = {{"LayerNormQuantizeRows", "edgeclip", 1, 1, infer_layer_norm_quantize,
                                              run_layer_norm_quantize, 2, 3, 3, "epsilon:f"}};
  return rows;
}

}  // namespace edgeclip::engine
