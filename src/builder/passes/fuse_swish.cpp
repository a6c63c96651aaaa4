#include "builder/passes/fuse_swish.h"

#include <cmath>

#include "builder/passes/pattern.h"

// x ─┬─► [Mul(alpha)] ─► Sigmoid ─► Mul ─► y      ⇒  Swish(x; alpha)
//    └─────────────────────────────►┘
// Refuses if alpha is no finite float32, and if an intermediate has other readers or is a graph output.
namespace edgeclip::builder {

using namespace engine;

namespace {

bool rewrite_swish(Graph& graph, const GraphIndex& index, std::size_t i) {
  Node& node = graph.nodes()[i];
  if (!node.is("Mul")) return false;
  for (const std::size_t side : {0, 1}) {
    const ValueId x = node.inputs[side];
    const Node* sigmoid = index.inner(node.inputs[1 - side], "Sigmoid");
    if (!sigmoid) continue;
    double alpha = 1;
    if (sigmoid->inputs[0] != x) {
      const Node* inside = index.read_once(sigmoid->inputs[0]) ? index.producer(sigmoid->inputs[0]) : nullptr;
      const auto product = inside ? scaled(graph, *inside) : std::nullopt;
      if (!product || product->x != x) continue;
      alpha = product->factor;
      const auto rounded = static_cast<double>(static_cast<float>(alpha));
      if (!std::isfinite(rounded) || (graph.value(x).dtype == DType::f64 && rounded != alpha)) continue;
    }
    become_onnx(node, "Swish", 24, {x}, {{"alpha", static_cast<float>(alpha)}});
    return true;
  }
  return false;
}

}  // namespace

int fuse_swish(Graph& graph) { return rewrite_nodes(graph, rewrite_swish); }

}  // namespace edgeclip::builder
