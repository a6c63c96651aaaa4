#include "builder/passes/fuse_quick_gelu.h"

#include "builder/passes/pattern.h"

// x ─► Mul(1.702) ─► Sigmoid ─► Mul ─► y      ⇒  QuickGelu(x)
// └────────────────────────────►┘
// Refuses if an intermediate has other readers or is a graph output, or the constant is another (SiLU has
// none).
namespace edgeclip::builder {

using namespace engine;

namespace {

bool rewrite_quick_gelu(Graph& graph, const GraphIndex& index, std::size_t i) {
  Node& node = graph.nodes()[i];
  if (!node.is("Mul")) return false;
  for (const std::size_t side : {0, 1}) {
    const ValueId x = node.inputs[side];
    const Node* sigmoid = index.inner(node.inputs[1 - side], "Sigmoid");
    if (!sigmoid || !index.read_once(sigmoid->inputs[0])) continue;
    const Node* inside = index.producer(sigmoid->inputs[0]);
    const auto product = inside ? scaled(graph, *inside) : std::nullopt;
    if (!product || product->x != x || !near(product->factor, 1.702)) continue;
    become(node, "QuickGelu", {x});
    return true;
  }
  return false;
}

}  // namespace

int fuse_quick_gelu(Graph& graph) { return rewrite_nodes(graph, rewrite_quick_gelu); }

}  // namespace edgeclip::builder
