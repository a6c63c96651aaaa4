#include "engine/graph/shape_inference.h"

#include "engine/ops/support.h"

namespace edgeclip::engine {

std::vector<ValueFacts> infer_shapes(const Graph& graph, const std::vector<Shape>& input_shapes,
                                     const std::vector<std::optional<Tensor>>& input_data) {
  EDGECLIP_CHECK(input_shapes.size() == graph.inputs.size(), "{} shapes for {} inputs", input_shapes.size(),
                 graph.inputs.size());
  std::vector<ValueFacts> facts(graph.value_count());
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const auto& constant = graph.value(static_cast<ValueId>(i)).constant;
    if (constant) facts[i] = {true, constant->dtype(), constant->shape(), *constant};
  }
  for (std::size_t i = 0; i < input_shapes.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    std::uint64_t count = 0;
    if (!checked_num_elements(input_shapes[i], &count) || count > (std::uint64_t{1} << 40))
      invalid_input("input {}: its size overflows: {}", printable(value.name), shape_string(input_shapes[i]));
    facts[static_cast<std::size_t>(graph.inputs[i])] = {true, value.dtype, input_shapes[i],
                                                        i < input_data.size() ? input_data[i] : std::nullopt};
  }
  for (const Node& node : graph.nodes()) {
    std::vector<const ValueFacts*> inputs;
    for (const ValueId id : node.inputs)
      inputs.push_back(id == kNoValue ? nullptr : &facts[static_cast<std::size_t>(id)]);
    std::vector<ValueFacts> outputs = infer_node_values(node, inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (node.outputs[i] != kNoValue)
        facts[static_cast<std::size_t>(node.outputs[i])] = std::move(outputs[i]);
  }
  return facts;
}

bool ShapeFacts::same(ValueId a, ValueId b) const {
  return value(a).shape && value(b).shape && *value(a).shape == *value(b).shape;
}

std::optional<Shape> ShapeFacts::shape(ValueId id) const {
  if (!value(id).shape) return {};
  Shape result;
  for (const SymbolicDim& dim : *value(id).shape) result.push_back(dim.constant().value_or(-1));
  return result;
}

std::optional<DType> ShapeFacts::dtype(ValueId id) const { return value(id).dtype; }

const std::optional<SymbolicShape>& ShapeFacts::symbolic(ValueId id) const { return value(id).shape; }

const Tensor* ShapeFacts::constant(ValueId id) const { return value(id).data ? &*value(id).data : nullptr; }

void ShapeFacts::refuse_if_wrong(const Node& node) const {
  const auto it = node.outputs.empty() ? facts_.refusals.end() : facts_.refusals.find(node.outputs.front());
  if (it != facts_.refusals.end()) std::rethrow_exception(it->second);
}

void annotate_shapes(Graph& graph) {
  const ShapeFacts facts(graph);
  for (const Node& node : graph.nodes()) facts.refuse_if_wrong(node);
  for (const Node& node : graph.nodes()) {
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      Value& value = graph.value(id);
      value.shape = facts.shape(id);
      if (const auto dtype = facts.dtype(id)) value.dtype = *dtype;
    }
  }
}

}  // namespace edgeclip::engine
