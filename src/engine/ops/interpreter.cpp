#include "engine/ops/interpreter.h"

#include <algorithm>

#include "base/signals.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

const Operator& operator_of(const Node& node) {
  const Operator* row = find_operator(node.domain, node.op, node.opset);
  if (!row) unsupported(node, "the engine does not have this operator");
  return *row;
}

}  // namespace

void infer_node(ShapeContext& context) {
  operator_of(context.node).infer(context);
  EDGECLIP_CHECK(context.output_shapes.size() == context.output_dtypes.size(), "{}",
                 node_label(context.node));
  EDGECLIP_CHECK(context.output_shapes.size() >= context.node.outputs.size(),
                 "{} has {} outputs, its rule {}", node_label(context.node), context.node.outputs.size(),
                 context.output_shapes.size());
}

std::vector<Tensor> evaluate_node(const Node& node, const Inputs& inputs) {
  constexpr std::int64_t kMostBytes = std::int64_t{4}
                                      << 30;  // of one tensor: beyond it, a damaged or hostile file
  ShapeContext context{node, inputs, {}, {}};
  infer_node(context);
  std::vector<Tensor> tensors(node.outputs.size());
  Outputs outputs(node.outputs.size());
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const Shape& shape = context.output_shapes[i];
    const DType dtype = context.output_dtypes[i];
    outputs[i] = {dtype, shape, nullptr};
    if (node.outputs[i] == kNoValue) continue;
    if (num_elements(shape) > kMostBytes / static_cast<std::int64_t>(dtype_size(dtype)))
      refuse(node, "its output {} does not fit in memory", shape_string(shape));
    tensors[i] = Tensor(dtype, shape);
    outputs[i].data = tensors[i].raw();
  }
  run_reference_kernel(operator_of(node), node, inputs, outputs);
  return tensors;
}

std::vector<Tensor> run_reference(const Graph& graph, const std::vector<TensorView>& inputs) {
  if (inputs.size() != graph.inputs.size())
    invalid_input("the graph has {} inputs, {} were given", graph.inputs.size(), inputs.size());
  std::vector<TensorView> views(graph.value_count());
  std::vector<Tensor> tensors(graph.value_count());
  std::vector<std::size_t> last_use(graph.value_count(), 0);
  for (std::size_t i = 0; i < graph.nodes().size(); ++i)
    for (const ValueId id : graph.nodes()[i].inputs)
      if (id != kNoValue) last_use[static_cast<std::size_t>(id)] = i;
  for (const ValueId id : graph.outputs) last_use[static_cast<std::size_t>(id)] = graph.nodes().size();

  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph.value(static_cast<ValueId>(i));
    if (value.is_constant()) views[i] = value.constant->view();
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    if (value.dtype != inputs[i].dtype)
      invalid_input("input {}: {} expected, {} given", printable(value.name), dtype_name(value.dtype),
                    dtype_name(inputs[i].dtype));
    views[static_cast<std::size_t>(graph.inputs[i])] = inputs[i];
  }

  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    throw_if_interrupted();
    const Node& node = graph.nodes()[n];
    graph.verify_attributes(node);
    graph.verify_constants(node.inputs);
    Inputs node_inputs;
    for (const ValueId id : node.inputs)
      node_inputs.push_back(id == kNoValue ? TensorView{} : views[static_cast<std::size_t>(id)]);
    std::vector<Tensor> results = evaluate_node(node, node_inputs);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const auto id = static_cast<std::size_t>(node.outputs[i]);
      tensors[id] = std::move(results[i]);
      views[id] = tensors[id].view();
    }
    for (const ValueId id : node.inputs)
      if (id != kNoValue && last_use[static_cast<std::size_t>(id)] == n)
        tensors[static_cast<std::size_t>(id)] = {};
  }

  graph.verify_constants(graph.outputs);
  std::vector<Tensor> outputs;
  for (const ValueId id : graph.outputs) {
    const auto i = static_cast<std::size_t>(id);
    if (tensors[i].defined()) {
      outputs.push_back(tensors[i]);
      continue;
    }
    Tensor copy(views[i].dtype, views[i].shape);  // an input or a constant that is an output as well
    std::copy_n(views[i].data, views[i].bytes(), copy.raw());
    outputs.push_back(std::move(copy));
  }
  return outputs;
}

}  // namespace edgeclip::engine
