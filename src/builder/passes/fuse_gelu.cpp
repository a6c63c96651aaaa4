#include "builder/passes/fuse_gelu.h"

#include "builder/passes/pattern.h"

// x ─┬─► Div(√2) | Mul(1/√2) ─► Erf ─► Add(1) ─► Mul ─► Mul(0.5) ─► y      ⇒  Gelu(x)
//    └──────────────────────────────────────────►┘
// The factors x, 0.5 and (1 + erf) may be grouped in any way: (0.5 x)(1 + erf), x (0.5 (1 + erf)), (x (1 +
// erf)) / 2, ... Refuses if an intermediate has other readers or is a graph output, if a constant differs
// from its value by more than 1e-5 of it, and if a constant widens the shape.
namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr double kInverseSqrt2 = 0.70710678118654752440;

/// A product taken apart: its factors that are no constants, and the product of those that are.
struct Factors {
  static constexpr int kMostProducts = 8;  ///< of a GELU; a longer chain is something else
  std::vector<ValueId> values;
  double constant = 1;
  int products = 0;
};

void take_apart(const Graph& graph, const GraphIndex& index, const Node& node, Factors& factors) {
  const auto descend = [&](ValueId id) {
    const Node* producer = index.producer(id);
    if (factors.values.size() <= 2 && ++factors.products < Factors::kMostProducts && producer &&
        index.read_once(id) && (producer->is("Mul") || scaled(graph, *producer)))
      take_apart(graph, index, *producer, factors);
    else
      factors.values.push_back(id);
  };
  if (const auto product = scaled(graph, node)) {
    factors.constant *= product->factor;
    descend(product->x);
  } else {
    descend(node.inputs[0]);
    descend(node.inputs[1]);
  }
}

/// Whether id is 1 + erf(x / sqrt 2) with no other readers.
bool is_one_plus_erf(const Graph& graph, const GraphIndex& index, ValueId id, ValueId x) {
  const Node* add = index.inner(id, "Add");
  if (!add) return false;
  for (const std::size_t side : {0, 1}) {
    const auto one = scalar(graph, add->inputs[side]);
    const Node* erf = index.inner(add->inputs[1 - side], "Erf");
    if (!one || *one != 1 || !erf || !index.read_once(erf->inputs[0])) continue;
    const Node* inside = index.producer(erf->inputs[0]);
    const auto product = inside ? scaled(graph, *inside) : std::nullopt;
    if (product && product->x == x && near(product->factor, kInverseSqrt2)) return true;
  }
  return false;
}

bool rewrite_gelu(Graph& graph, const GraphIndex& index, std::size_t i) {
  Node& node = graph.nodes()[i];
  if (!node.is("Mul") && !node.is("Div")) return false;
  if (node.is("Div") && !scaled(graph, node)) return false;
  Factors factors;
  take_apart(graph, index, node, factors);
  if (factors.values.size() != 2 || !near(factors.constant, 0.5)) return false;
  for (const std::size_t side : {0, 1}) {
    const ValueId x = factors.values[side];
    if (!is_one_plus_erf(graph, index, factors.values[1 - side], x)) continue;
    become(node, "Gelu", {x});
    return true;
  }
  return false;
}

}  // namespace

int fuse_gelu(Graph& graph) { return rewrite_nodes(graph, rewrite_gelu); }

}  // namespace edgeclip::builder
