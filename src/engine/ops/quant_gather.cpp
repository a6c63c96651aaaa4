#include "engine/ops/families.h"
#include "engine/ops/indices.h"
#include "engine/ops/support.h"

/// edgeclip.QuantGather (opset 1): rows of a table of embeddings whose elements take a byte.
///   y[i, :] = scale[ids[i]] * table[ids[i], :]
/// inputs  table (V, D) int8; scale (V) float32; ids (...) int32 or int64, negative ones from the back
/// output  (..., D) float32
namespace edgeclip::engine {

namespace {

void infer_quant_gather(ShapeContext& context) {
  const Node& node = context.node;
  const TensorView &table = context.inputs[0], &scale = context.inputs[1];
  if (table.dtype != DType::i8) refuse(node, "the table is {}, not int8", dtype_name(table.dtype));
  require_rank(context, 0, 2);
  if (scale.dtype != DType::f32 || scale.shape != Shape{table.shape[0]})
    refuse(node, "scale is not float32 ({})", table.shape[0]);
  require_index_dtype(context, 2);
  Shape shape = context.inputs[2].shape;
  shape.push_back(table.shape[1]);
  add_output(context, DType::f32, shape);
}

void run_quant_gather(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const std::int64_t rows = inputs[0].shape[0], width = inputs[0].shape[1], count = inputs[2].elements();
  const auto* table = inputs[0].as<std::int8_t>();
  const float* scale = inputs[1].as<float>();
  float* y = outputs[0].as<float>();
  const Indices indices(inputs[2]);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t place = indices.at(node, i, rows);
    for (std::int64_t k = 0; k < width; ++k)
      *y++ = scale[place] * static_cast<float>(table[place * width + k]);
  }
}

}  // namespace

const std::vector<Operator>& quant_gather_operators() {
  static const std::vector<Operator> rows = {
      {"QuantGather", "edgeclip", 1, 1, infer_quant_gather, run_quant_gather, 3, 3}};
  return rows;
}

}  // namespace edgeclip::engine
