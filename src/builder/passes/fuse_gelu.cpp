#include "builder/passes/fuse_gelu.h"

#include "builder/passes/product.h"

// x ─┬─► Div(√2) | Mul(1/√2) ─► Erf ─► Add(1) ─► Mul ─► Mul(0.5) ─► y      ⇒  Gelu(x)
//    └──────────────────────────────────────────►┘
//    x ─► Gelu (ONNX opset 20, approximate "none") ─► y                        ⇒  Gelu(x)
// The factors x, 0.5 and (1 + erf) may be grouped in any way: (0.5 x)(1 + erf), x (0.5 (1 + erf)), (x (1 +
// erf)) / 2, ... Refuses if an intermediate has other readers or is a graph output, if a constant differs
// from its value by more than 1e-5 of it, if a constant widens the shape, and for ONNX's Gelu with
// approximate "tanh".
namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr double kInverseSqrt2 = 0.70710678118654752440;

/// Whether id is 1 + erf(x / sqrt 2) with no other readers.
bool is_one_plus_erf(const Graph& graph, const GraphIndex& index, ValueId id, ValueId x) {
  const Node* add = index.inner(id, "Add");
  if (!add) return false;
  for (const std::size_t side : {0, 1}) {
    const auto one = scalar(graph, add->inputs[side]);
    const Node* erf = index.inner(add->inputs[1 - side], "Erf");
    if (!one || *one != 1 || !keeps_shape(graph, add->inputs[side], graph.value(x).shape) || !erf || !index.read_once(erf->inputs[0])) continue;
    const Node* inside = index.producer(erf->inputs[0]);
    const auto product = inside ? scaled(graph, *inside) : std::nullopt;
    if (product && product->x == x && near(product->factor, kInverseSqrt2)) return true;
  }
  return false;
}

bool rewrite_gelu(Graph& graph, const GraphIndex& index, std::size_t i) {
  Node& node = graph.nodes()[i];
  if (node.is("Gelu") && node.string_or("approximate", "none") == "none") {
    become(node, "Gelu", {node.inputs[0]});
    return true;
  }
  const auto product = take_apart(graph, index, node);
  if (!product || product->factors.size() != 2 || !near(product->constant, 0.5)) return false;
  for (const std::size_t side : {0, 1}) {
    const ValueId x = product->factors[side];
    if (!is_one_plus_erf(graph, index, product->factors[1 - side], x)) continue;
    become(node, "Gelu", {x});
    return true;
  }
  return false;
}

}  // namespace

int fuse_gelu(Graph& graph) { return rewrite_nodes(graph, rewrite_gelu); }

}  // namespace edgeclip::builder
