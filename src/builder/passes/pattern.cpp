#include "builder/passes/pattern.h"

#include <algorithm>
#include <cmath>

namespace edgeclip::builder {

using namespace engine;

GraphIndex::GraphIndex(const Graph& graph)
    : graph_(graph),
      alive_(graph.nodes().size(), false),
      producers_(graph.value_count(), -1),
      reads_(graph.value_count(), 0) {
  const auto& nodes = graph.nodes();
  for (const ValueId id : graph.outputs) reads_[static_cast<std::size_t>(id)] += 2;
  for (std::size_t i = nodes.size(); i-- > 0;) {
    for (const ValueId id : nodes[i].outputs) {
      if (id == kNoValue) continue;
      producers_[static_cast<std::size_t>(id)] = static_cast<std::ptrdiff_t>(i);
      if (reads_[static_cast<std::size_t>(id)] > 0) alive_[i] = true;
    }
    if (alive_[i])
      for (const ValueId id : nodes[i].inputs)
        if (id != kNoValue) ++reads_[static_cast<std::size_t>(id)];
  }
}

const Node* GraphIndex::producer(ValueId id) const {
  if (id == kNoValue || static_cast<std::size_t>(id) >= producers_.size()) return nullptr;
  const std::ptrdiff_t node = producers_[static_cast<std::size_t>(id)];
  return node < 0 ? nullptr : &graph_.nodes()[static_cast<std::size_t>(node)];
}

bool GraphIndex::read_once(ValueId id) const {
  return id != kNoValue && static_cast<std::size_t>(id) < reads_.size() &&
         reads_[static_cast<std::size_t>(id)] == 1;
}

bool GraphIndex::read_only_by(const std::vector<const Node*>& nodes,
                              const std::vector<ValueId>& values) const {
  return std::all_of(values.begin(), values.end(), [&](ValueId id) {
    std::ptrdiff_t reads = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (std::find(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(i), nodes[i]) ==
          nodes.begin() + static_cast<std::ptrdiff_t>(i))  // named twice, it reads once
        reads += std::count(nodes[i]->inputs.begin(), nodes[i]->inputs.end(), id);
    return id != kNoValue && reads_.at(static_cast<std::size_t>(id)) == reads;
  });
}

const Node* GraphIndex::inner(ValueId id, const char* op, const char* domain) const {
  const Node* node = producer(id);
  return node && node->is(op, domain) && node->outputs.size() == 1 && read_once(id) ? node : nullptr;
}

std::optional<double> scalar(const Graph& graph, ValueId id) {
  if (id == kNoValue || !graph.value(id).is_constant()) return {};
  const Tensor& tensor = *graph.value(id).constant;
  if (tensor.elements() != 1) return {};
  if (tensor.dtype() == DType::f32) return static_cast<double>(*tensor.data<float>());
  if (tensor.dtype() == DType::f64) return *tensor.data<double>();
  return {};
}

bool keeps_shape(const Graph& graph, ValueId constant, const std::optional<Shape>& shape) {
  const std::size_t rank = graph.value(constant).constant->shape().size();
  return rank == 0 || (shape && shape->size() >= rank);
}

bool near(double a, double b) { return std::fabs(a - b) <= 1e-5 * std::fabs(b); }

std::optional<Scaled> scaled(const Graph& graph, const Node& node) {
  const bool mul = node.is("Mul"), div = node.is("Div");
  if (!mul && !div) return {};
  for (const std::size_t side : {1, 0}) {
    if (div && side == 0) continue;
    const ValueId constant = node.inputs[side], x = node.inputs[1 - side];
    const auto factor = scalar(graph, constant);
    if (!factor || (div && *factor == 0)) continue;
    if (!keeps_shape(graph, constant, graph.value(x).shape)) continue;
    return Scaled{x, mul ? *factor : 1 / *factor};
  }
  return {};
}

namespace {

/// scalar(), or a whole number of int32 or int64: exponents come in all types.
std::optional<double> exponent_of(const Graph& graph, ValueId id) {
  if (const auto value = scalar(graph, id)) return value;
  if (id == kNoValue || !graph.value(id).is_constant()) return {};
  const Tensor& tensor = *graph.value(id).constant;
  if (tensor.elements() != 1) return {};
  if (tensor.dtype() == DType::i32) return static_cast<double>(*tensor.data<std::int32_t>());
  if (tensor.dtype() == DType::i64) return static_cast<double>(*tensor.data<std::int64_t>());
  return {};
}

}  // namespace

bool is_power(const Graph& graph, const Node& node, double exponent) {
  if (node.is("Sqrt")) return exponent == 0.5;
  if (!node.is("Pow")) return false;
  const auto value = exponent_of(graph, node.inputs[1]);
  return value == exponent && keeps_shape(graph, node.inputs[1], graph.value(node.inputs[0]).shape);
}

std::optional<std::int64_t> reduced_axis(const Graph& graph, const Node& reduce) {
  std::vector<std::int64_t> axes = reduce.ints_or("axes", {});
  if (reduce.has_input(1)) {
    const auto& constant = graph.value(reduce.inputs[1]).constant;
    if (!constant || constant->dtype() != DType::i64 || constant->elements() != 1) return {};
    axes = {*constant->data<std::int64_t>()};
  }
  if (axes.size() != 1 || reduce.int_or("keepdims", 1) == 0) return {};
  return axes[0];
}

namespace {

/// Of what stood before `inputs`, node i's before its rewrite, and has no reader any more.
void take_origins(Graph& graph, const GraphIndex& index, std::size_t i, std::vector<ValueId> inputs) {
  while (!inputs.empty()) {
    const ValueId id = inputs.back();
    inputs.pop_back();
    const Node* const producer = index.producer(id);
    if (producer == nullptr || index.alive(static_cast<std::size_t>(producer - graph.nodes().data())))
      continue;
    const std::size_t before = graph.nodes()[i].origins.size();
    add_origins(graph.nodes()[i], *producer);
    if (graph.nodes()[i].origins.size() == before) continue;  // was here already
    inputs.insert(inputs.end(), producer->inputs.begin(), producer->inputs.end());
  }
}

}  // namespace

int rewrite_nodes(Graph& graph, const std::function<bool(Graph&, const GraphIndex&, std::size_t)>& rewrite) {
  int count = 0;
  std::optional<GraphIndex> index(graph);
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    if (!index->alive(i)) continue;
    const std::vector<ValueId> inputs = graph.nodes()[i].inputs;
    if (!rewrite(graph, *index, i)) continue;
    ++count;
    index.emplace(graph);
    take_origins(graph, *index, i, inputs);
  }
  if (count > 0) graph.remove_dead();
  return count;
}

namespace {

void become(Node& node, const char* op, const char* domain, int opset, std::vector<ValueId> inputs,
            std::map<std::string, Attribute> attributes) {
  while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
  node.op = op;
  node.domain = domain;
  node.opset = opset;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
}

}  // namespace

void become(Node& node, const char* op, std::vector<ValueId> inputs,
            std::map<std::string, Attribute> attributes) {
  become(node, op, "edgeclip", 1, std::move(inputs), std::move(attributes));
}

void become_onnx(Node& node, const char* op, int opset, std::vector<ValueId> inputs,
                 std::map<std::string, Attribute> attributes) {
  become(node, op, "", opset, std::move(inputs), std::move(attributes));
}

}  // namespace edgeclip::builder
