#include "engine/graph/value_facts.h"

#include <algorithm>

#include "engine/graph/symbolic_rules.h"
#include "engine/ops/interpreter.h"
#include "engine/ops/operator.h"

namespace edgeclip::engine {

namespace {

bool worth_computing(const ShapeContext& context) {
  std::int64_t elements = 0;
  for (const Shape& shape : context.output_shapes) elements = std::max(elements, num_elements(shape));
  const Node& node = context.node;
  const Operator* row = find_operator(node.domain, node.op, node.opset);
  if (row && row->reads_shapes_only) return elements <= kSmallValue;
  for (std::size_t i = 0; i < context.inputs.size(); ++i) {
    if (!node.has_input(i)) continue;
    if (!context.inputs[i].data) return false;
    elements = std::max(elements, num_elements(context.inputs[i].shape));
  }
  return elements <= kSmallValue;
}

}  // namespace

std::vector<ValueFacts> infer_node_values(const Node& node, const std::vector<const ValueFacts*>& inputs) {
  ShapeContext context{node, {}, {}, {}};
  for (const ValueFacts* input : inputs)
    context.inputs.push_back(
        input ? TensorView{input->dtype, input->shape, input->data ? input->data->raw() : nullptr}
              : TensorView{});
  infer_node(context);
  std::vector<Tensor> data;
  if (worth_computing(context)) data = evaluate_node(node, context.inputs);
  std::vector<ValueFacts> outputs(node.outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    outputs[i] = {true, context.output_dtypes[i], context.output_shapes[i], {}};
    if (!data.empty()) outputs[i].data = data[i];
  }
  return outputs;
}

}  // namespace edgeclip::engine
