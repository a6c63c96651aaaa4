#include "builder/passes/sizes_of_inputs.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// v ─► Shape ─► Gather(i) ─► n      ⇒  u ─► Shape ─► Gather(j) ─► n      u: an input of the graph
// where dimension i of v always is dimension j of u.  Exporters ask for the batch's size of whatever is at
// hand, once in every layer: asked of the input it is one node for all (eliminate_common), and nobody but
// what computes reads the values between.  Refuses a size that is no input's, or not known to be.
namespace edgeclip::builder {

using namespace engine;

namespace {

std::optional<std::int64_t> index_of(const Graph& graph, const Node& gather) {
  const auto& constant = graph.value(gather.inputs[1]).constant;
  if (!constant || constant->dtype() != DType::i64 || constant->elements() != 1) return {};
  return *constant->data<std::int64_t>();
}

class SizesOfInputs {
 public:
  explicit SizesOfInputs(const Graph& graph) : facts_(graph) {}

  bool operator()(Graph& graph, const GraphIndex& index, std::size_t i) const {
    const Node gather = graph.nodes()[i];
    if (!gather.is("Gather") || gather.int_or("axis", 0) != 0) return false;
    const Node* shape = index.producer(gather.inputs[0]);
    if (!shape || !shape->is("Shape") || is_graph_input(graph, shape->inputs[0])) return false;
    const auto size = size_of(graph, *shape, gather);
    if (!size) return false;
    for (const ValueId input : graph.inputs) {
      const auto& dims = facts_.symbolic(input);
      const auto found = dims ? std::find(dims->begin(), dims->end(), *size) : SymbolicShape::const_iterator{};
      if (!dims || found == dims->end()) continue;
      ask(graph, i, input, found - dims->begin());
      return true;
    }
    return false;
  }

 private:
  static bool is_graph_input(const Graph& graph, ValueId id) {
    return std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
  }

  std::optional<SymbolicDim> size_of(const Graph& graph, const Node& shape, const Node& gather) const {
    const auto wanted = index_of(graph, gather);
    const auto &dims = facts_.symbolic(shape.inputs[0]), &sizes = facts_.symbolic(gather.inputs[0]);
    if (!wanted || !dims || !sizes || sizes->size() != 1 || !sizes->front().constant()) return {};
    const auto rank = static_cast<std::int64_t>(dims->size()), count = *sizes->front().constant();
    std::int64_t start = shape.int_or("start", 0);
    start = std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
    const std::int64_t at = start + (*wanted < 0 ? *wanted + count : *wanted);
    if (at < 0 || at >= rank || (*dims)[static_cast<std::size_t>(at)].constant()) return {};
    return (*dims)[static_cast<std::size_t>(at)];
  }

  static void ask(Graph& graph, std::size_t i, ValueId input, std::int64_t dimension) {
    Value value;
    value.name = graph.nodes()[i].name + "/sizes";
    value.dtype = DType::i64;
    value.shape = Shape{static_cast<std::int64_t>(graph.value(input).shape->size())};
    Node shape;
    shape.name = value.name;
    shape.op = "Shape";
    shape.opset = 15;
    shape.inputs = {input};
    shape.outputs = {graph.add_value(std::move(value))};
    shape.origins = graph.nodes()[i].origins;
    const Shape scalar_or_list = graph.value(graph.nodes()[i].inputs[1]).constant->shape();
    const ValueId which = graph.add_constant(shape.name + "/which", Tensor::from<std::int64_t>(scalar_or_list, {dimension}));
    graph.nodes()[i].inputs = {shape.outputs[0], which};
    graph.add_node(std::move(shape), i);
  }

  ShapeFacts facts_;
};

}  // namespace

int sizes_of_inputs(Graph& graph) {
  const auto asks = [](const Node& node) { return node.is("Shape"); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), asks)) return 0;
  return rewrite_nodes(graph, SizesOfInputs(graph));
}

}  // namespace edgeclip::builder
