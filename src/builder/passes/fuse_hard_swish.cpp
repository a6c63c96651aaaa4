#include "builder/passes/fuse_hard_swish.h"

#include "builder/passes/activation_by.h"
#include "builder/passes/product.h"

// x ─┬─► Add(3) ─► Clip(0, 6) ─► Mul ─► Div(6) | Mul(1/6) ─► y      ⇒  HardSwish(x)
//    └──────────────────────────►┘
// x ─┬─► HardSigmoid(1/6, 1/2) ─► Mul ─► y                          ⇒  HardSwish(x)
//    └───────────────────────────►┘
// The factors x, 1/6 and the Clip may be grouped in any way: x (Clip / 6), (x / 6) Clip, ...  Refuses if an
// intermediate has other readers or is a graph output, if a constant differs from its value by more than 1e-5
// of it, and if a constant widens the shape.
namespace edgeclip::builder {

using namespace engine;

namespace {

bool is_hard_sigmoid(const Node& node, ValueId x) {
  return node.is("HardSigmoid") && node.inputs[0] == x &&
         near(static_cast<double>(node.float_or("alpha", 0.2F)), 1.0 / 6) &&
         near(static_cast<double>(node.float_or("beta", 0.5F)), 0.5);
}

/// Whether node is x + 3 limited to [0, 6], and nobody else reads the sum.
bool is_relu6_of_x_plus_3(const Graph& graph, const GraphIndex& index, const Node& node, ValueId x) {
  const auto bounds = clip_bounds(graph, node);
  if (!bounds || bounds->low != 0 || bounds->high != 6) return false;
  const Node* add = index.inner(node.inputs[0], "Add");
  if (!add) return false;
  for (const std::size_t side : {0, 1}) {
    const auto three = scalar(graph, add->inputs[1 - side]);
    if (add->inputs[side] == x && three && *three == 3 &&
        keeps_shape(graph, add->inputs[1 - side], graph.value(x).shape))
      return true;
  }
  return false;
}

bool rewrite_hard_swish(Graph& graph, const GraphIndex& index, std::size_t i) {
  Node& node = graph.nodes()[i];
  const auto product = take_apart(graph, index, node);
  if (!product || product->factors.size() != 2) return false;
  for (const std::size_t side : {0, 1}) {
    const ValueId x = product->factors[side], gate = product->factors[1 - side];
    const Node* inside = index.read_once(gate) ? index.producer(gate) : nullptr;
    if (!inside) continue;
    const bool matches = (near(product->constant, 1) && is_hard_sigmoid(*inside, x)) ||
                         (near(product->constant, 1.0 / 6) && is_relu6_of_x_plus_3(graph, index, *inside, x));
    if (!matches) continue;
    become_onnx(node, "HardSwish", 14, {x});
    return true;
  }
  return false;
}

}  // namespace

int fuse_hard_swish(Graph& graph) { return rewrite_nodes(graph, rewrite_hard_swish); }

}  // namespace edgeclip::builder
