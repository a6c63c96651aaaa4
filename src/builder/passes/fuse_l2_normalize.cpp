#include "builder/passes/fuse_l2_normalize.h"

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// x ─┬─► norm(one axis, keepdims) ─► [Clip(min eps) | Max(eps)] ─► [Expand(shape of x)] ─► Div ─► y   ⇒
// L2Normalize(x)
//    └───────────────────────────────────────────────────────────────────────────────────►┘
// norm: ReduceL2, or the root (Sqrt, Pow(1/2)) of ReduceSumSquare or of the ReduceSum of Pow(2) or Mul(x, x).
// Refuses several axes, keepdims = 0, a Clip with an upper bound, a negative or infinite eps, one of float64
// that float32 does not hold, an Expand to another shape, an eps that is added, and intermediates with other
// readers or that are graph outputs.
namespace edgeclip::builder {

using namespace engine;

namespace {

/// The lower bound that node puts on its first or second input, and which value that is.
struct Bound {
  ValueId x;
  double epsilon;
};

std::optional<Bound> lower_bound(const Graph& graph, const Node& node) {
  if (node.is("Clip")) {
    if (node.has_input(2)) return {};
    if (node.has("max")) return {};
    if (node.has("min")) return Bound{node.inputs[0], static_cast<double>(node.float_or("min", 0))};
    if (node.inputs.size() < 2) return {};
    const auto epsilon = scalar(graph, node.inputs[1]);
    return epsilon ? std::optional<Bound>({node.inputs[0], *epsilon}) : std::nullopt;
  }
  if (node.is("Max") && node.inputs.size() == 2) {
    for (const std::size_t side : {0, 1})
      if (const auto epsilon = scalar(graph, node.inputs[side]);
          epsilon && graph.value(node.inputs[side]).constant->shape().size() <= 1)
        return Bound{node.inputs[1 - side], *epsilon};
  }
  return {};
}

/// The axis along which `norm` is the length of x.
std::optional<std::int64_t> norm_axis(const Graph& graph, const GraphIndex& index, ValueId norm, ValueId x) {
  if (!index.read_once(norm)) return {};
  if (const Node* reduce = index.inner(norm, "ReduceL2"))
    return reduce->inputs[0] == x ? reduced_axis(graph, *reduce) : std::nullopt;
  const Node* root = index.producer(norm);
  if (!root || !is_power(graph, *root, 0.5)) return {};
  if (const Node* reduce = index.inner(root->inputs[0], "ReduceSumSquare"))
    return reduce->inputs[0] == x ? reduced_axis(graph, *reduce) : std::nullopt;
  const Node* reduce = index.inner(root->inputs[0], "ReduceSum");
  const Node* square =
      reduce && index.read_once(reduce->inputs[0]) ? index.producer(reduce->inputs[0]) : nullptr;
  if (!square || square->inputs[0] != x) return {};
  const bool squared = is_power(graph, *square, 2) || (square->is("Mul") && square->inputs[1] == x);
  return squared ? reduced_axis(graph, *reduce) : std::nullopt;
}

bool rewrite_l2_normalize(Graph& graph, const GraphIndex& index, const ShapeFacts& facts, std::size_t i) {
  Node& node = graph.nodes()[i];
  if (!node.is("Div")) return false;
  const ValueId x = node.inputs[0];
  ValueId norm = node.inputs[1];
  if (const Node* expand = index.inner(norm, "Expand")) {
    if (!facts.same(norm, x)) return false;
    norm = expand->inputs[0];
  }
  double epsilon = 0;
  if (const Node* clip = index.producer(norm); clip && index.read_once(norm)) {
    if (const auto bound = lower_bound(graph, *clip)) {
      norm = bound->x;
      epsilon = bound->epsilon;
    }
  }
  if (!(epsilon >= 0 && epsilon < 1e30)) return false;
  const auto axis = norm_axis(graph, index, norm, x);
  const auto dtype = facts.dtype(x);
  if (!axis || (dtype != DType::f32 && dtype != DType::f64)) return false;
  if (dtype == DType::f64 && static_cast<double>(static_cast<float>(epsilon)) != epsilon) return false;
  become(node, "L2Normalize", {x}, {{"axis", *axis}, {"epsilon", static_cast<float>(epsilon)}});
  return true;
}

}  // namespace

int fuse_l2_normalize(Graph& graph) {
  const ShapeFacts facts(graph);
  return rewrite_nodes(graph, [&](Graph& g, const GraphIndex& index, std::size_t i) {
    return rewrite_l2_normalize(g, index, facts, i);
  });
}

}  // namespace edgeclip::builder
