#include "builder/passes/fold_constants.h"

#include <algorithm>

#include "builder/passes/passes.h"
#include "engine/graph/shape_inference.h"
#include "engine/ops/interpreter.h"

// constants ─► any operator ─► y      ⇒  y is a constant
// Also Shape and Size of a value whose shape holds no dynamic dimension, and what exporters compute from
// shapes as far as it does not depend on the dynamic ones: of Gather(Shape(x), 1) the channels are a
// constant. Refuses: graph outputs (they stay computed); DequantizeLinear (its weight stays int8 for the
// quantized kernels); results of more than 16 MiB that are larger than everything they are made of (Expand,
// ConstantOfShape, ...), but for weights that no quantized kernel took.
namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr std::int64_t kMostBytes = std::int64_t{16} << 20;

bool is_static(const Value& value) {
  return value.shape &&
         std::all_of(value.shape->begin(), value.shape->end(), [](std::int64_t d) { return d >= 0; });
}

std::int64_t bytes_of(DType dtype, const Shape& shape) {
  return num_elements(shape) * static_cast<std::int64_t>(dtype_size(dtype));
}

bool worth_folding(const Node& node, const Inputs& inputs) {
  // Kept, it would be computed in every run, and what it feeds finds no constant weights.
  if (node.is("DequantizeLinear")) return true;
  ShapeContext context{node, inputs, {}, {}};
  infer_node(context);
  std::int64_t in = 0, out = 0;
  for (const auto& input : inputs) in += input.data ? bytes_of(input.dtype, input.shape) : 0;
  for (std::size_t i = 0; i < context.output_shapes.size(); ++i)
    out += bytes_of(context.output_dtypes[i], context.output_shapes[i]);
  return out <= kMostBytes || out <= in;
}

/// The node's outputs, where they are known to be the same for all inputs.
std::vector<Tensor> known_outputs(const Node& node, const ShapeFacts& facts) {
  std::vector<Tensor> outputs;
  for (const ValueId id : node.outputs) {
    const Tensor* constant = id == kNoValue ? nullptr : facts.constant(id);
    if (!constant) return {};
    outputs.push_back(*constant);
  }
  return outputs;
}

/// By running the node, if its inputs are constants; empty otherwise.
std::vector<Tensor> computed_outputs(const Graph& graph, const Node& node) {
  const Operator* row = find_operator(node.domain, node.op, node.opset);
  if (!row) return {};
  Inputs inputs;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) {
      inputs.emplace_back();
      continue;
    }
    const Value& value = graph.value(id);
    if (value.is_constant())
      inputs.push_back(value.constant->view());
    else if (row->reads_shapes_only && is_static(value))
      inputs.push_back({value.dtype, *value.shape, nullptr});
    else
      return {};
  }
  return worth_folding(node, inputs) ? evaluate_node(node, inputs) : std::vector<Tensor>{};
}

template <class Wanted>
int fold(Graph& graph, Wanted wanted) {
  const ShapeFacts facts(graph);
  int count = 0;
  std::vector<bool> output(graph.value_count(), false);
  for (const ValueId id : graph.outputs) output[static_cast<std::size_t>(id)] = true;
  for (Node& node : graph.nodes()) {
    const bool stays = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
      return id != kNoValue && output[static_cast<std::size_t>(id)];
    });
    if (stays || !wanted(node)) continue;
    std::vector<Tensor> results = known_outputs(node, facts);
    if (results.empty()) results = computed_outputs(graph, node);
    if (results.empty()) continue;
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      Value& value = graph.value(node.outputs[i]);
      value.dtype = results[i].dtype();
      value.shape = results[i].shape();
      value.constant = std::move(results[i]);
    }
    node.outputs.clear();  // dead
    ++count;
  }
  if (count > 0) graph.remove_dead();
  return count;
}

}  // namespace

int fold_constants(Graph& graph) {
  return fold(graph, [](const Node& node) { return !node.is("DequantizeLinear"); });
}

int fold_dequantized(Graph& graph) {
  return fold(graph, [](const Node& node) { return node.is("DequantizeLinear"); });
}

}  // namespace edgeclip::builder
