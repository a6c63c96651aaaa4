#include "builder/passes/gather_per_sample.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// x[range(B), t] as exporters write it, x (B, T, ...), t (B):
//   Range(0, B, 1) ─► Unsqueeze(1) ─► Concat(-1) ─► GatherND(x) ─► y
//   t ──────────────► Unsqueeze(1) ──►┘
//   x ─► Flatten | Reshape (B T, ...) ─► Gather(axis 0) ─► y
//   Range(0, B, 1) ─► Mul(T) ─► Add(t) ─►┘                       t: an ArgMax over T elements
//     ⇒  GatherND(x, Unsqueeze(t, 1); batch_dims = 1) ─► y
// which says that every sample picks from itself.  Refuses: a Range that is not of all samples, and where
// that is not known; in the second form anything for t that could point outside its sample.
namespace edgeclip::builder {

using namespace engine;

namespace {

std::optional<std::int64_t> integer(const Graph& graph, ValueId id) {
  if (id == kNoValue || !graph.value(id).is_constant()) return {};
  const Tensor& tensor = *graph.value(id).constant;
  if (tensor.elements() != 1) return {};
  if (tensor.dtype() == DType::i32) return *tensor.data<std::int32_t>();
  if (tensor.dtype() == DType::i64) return *tensor.data<std::int64_t>();
  return {};
}

class GatherPerSample {
 public:
  explicit GatherPerSample(const Graph& graph) : facts_(graph) {}

  bool operator()(Graph& graph, const GraphIndex& index, std::size_t i) const {
    Node& node = graph.nodes()[i];
    if (node.is("GatherND")) return from_pairs(graph, index, i);
    if (node.is("Gather") && node.int_or("axis", 0) == 0) return from_flat_rows(graph, index, i);
    return false;
  }

 private:
  /// Whether it is 0, 1, ..., samples - 1.
  bool counts(const Graph& graph, const GraphIndex& index, ValueId id, const SymbolicDim& samples) const {
    const Node* range = index.producer(id);
    if (!range || !range->is("Range")) return false;
    const auto& length = facts_.symbolic(id);
    return integer(graph, range->inputs[0]) == 0 && integer(graph, range->inputs[2]) == 1 && length &&
           length->size() == 1 && (*length)[0] == samples;
  }

  /// What an Unsqueeze makes (B, 1) of.
  static ValueId column(const GraphIndex& index, ValueId id, const ShapeFacts& facts) {
    const Node* node = index.producer(id);
    if (!node || !node->is("Unsqueeze")) return kNoValue;
    const auto &from = facts.symbolic(node->inputs[0]), &to = facts.symbolic(id);
    const bool fits = from && to && from->size() == 1 && to->size() == 2 && (*to)[1] == 1 && (*to)[0] == (*from)[0];
    return fits ? node->inputs[0] : kNoValue;
  }

  bool from_pairs(Graph& graph, const GraphIndex& index, std::size_t i) const {
    const Node node = graph.nodes()[i];
    const Node* concat = index.producer(node.inputs[1]);
    const auto& x = facts_.symbolic(node.inputs[0]);
    if (node.int_or("batch_dims", 0) != 0 || !x || x->size() < 2 || !concat || !concat->is("Concat") ||
        concat->inputs.size() != 2 || (concat->int_or("axis", 0) != -1 && concat->int_or("axis", 0) != 1))
      return false;
    const ValueId samples = column(index, concat->inputs[0], facts_), rows = concat->inputs[1];
    if (samples == kNoValue || column(index, rows, facts_) == kNoValue) return false;
    if (!counts(graph, index, samples, (*x)[0])) return false;
    pick(graph, i, node.inputs[0], rows);
    return true;
  }

  bool from_flat_rows(Graph& graph, const GraphIndex& index, std::size_t i) const {
    const Node node = graph.nodes()[i];
    const Node *flat = index.producer(node.inputs[0]), *sum = index.producer(node.inputs[1]);
    if (!flat || (!flat->is("Flatten") && !flat->is("Reshape")) || !sum || !sum->is("Add")) return false;
    const auto &x = facts_.symbolic(flat->inputs[0]), &rows = facts_.symbolic(node.inputs[0]);
    if (!x || !rows || x->size() != rows->size() + 1 || (*rows)[0] != (*x)[0] * (*x)[1] ||
        !std::equal(rows->begin() + 1, rows->end(), x->begin() + 2))
      return false;
    for (const std::size_t side : {0, 1}) {
      const ValueId t = sum->inputs[side];
      if (!starts(graph, index, sum->inputs[1 - side], *x) || !points_into(index, t, (*x)[1])) continue;
      const auto& per_sample = facts_.symbolic(t);
      if (!per_sample || per_sample->size() != 1 || (*per_sample)[0] != (*x)[0]) continue;
      const ValueId whole = flat->inputs[0], column = unsqueeze(graph, i, t);
      pick(graph, i + 1, whole, column);
      return true;
    }
    return false;
  }

  /// Whether it is 0, T, 2 T, ...: where each sample's rows start.
  bool starts(const Graph& graph, const GraphIndex& index, ValueId id, const SymbolicShape& x) const {
    const Node* mul = index.producer(id);
    if (!mul || !mul->is("Mul")) return false;
    for (const std::size_t side : {0, 1}) {
      const auto length = integer(graph, mul->inputs[side]);
      if (length && x[1] == *length && counts(graph, index, mul->inputs[1 - side], x[0])) return true;
    }
    return false;
  }

  bool points_into(const GraphIndex& index, ValueId id, const SymbolicDim& length) const {
    const Node* argmax = index.producer(id);
    if (!argmax || !argmax->is("ArgMax")) return false;
    const auto& of = facts_.symbolic(argmax->inputs[0]);
    if (!of) return false;
    const std::int64_t axis = argmax->int_or("axis", 0), rank = static_cast<std::int64_t>(of->size());
    return axis >= -rank && axis < rank && of->at(static_cast<std::size_t>(axis < 0 ? axis + rank : axis)) == length;
  }

  /// t (B) ─► (B, 1), in front of node i.
  static ValueId unsqueeze(Graph& graph, std::size_t i, ValueId t) {
    Value value = graph.value(t);
    value.name = graph.nodes()[i].name + "/rows";
    if (value.shape) value.shape->push_back(1);
    Node node;
    node.name = value.name;
    node.op = "Unsqueeze";
    node.opset = 13;
    node.inputs = {t, graph.add_constant(value.name + "/axis", Tensor::from<std::int64_t>({1}, {1}))};
    node.outputs = {graph.add_value(std::move(value))};
    node.origins = graph.nodes()[i].origins;
    const ValueId result = node.outputs[0];
    graph.add_node(std::move(node), i);
    return result;
  }

  static void pick(Graph& graph, std::size_t i, ValueId x, ValueId rows) {
    become_onnx(graph.nodes()[i], "GatherND", 13, {x, rows}, {{"batch_dims", std::int64_t{1}}});
  }

  ShapeFacts facts_;
};

}  // namespace

int gather_per_sample(Graph& graph) {
  const auto counts = [](const Node& node) { return node.is("Range"); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), counts)) return 0;
  return rewrite_nodes(graph, GatherPerSample(graph));
}

}  // namespace edgeclip::builder
