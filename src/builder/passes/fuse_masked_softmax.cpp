#include "builder/passes/fuse_masked_softmax.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// x ─► [Add(mask)] ─► Softmax(last axis) ─┬─► IsNaN ─► Where(0) ─► y      ⇒  MaskedSoftmax(x, mask; safe = 1)
//                                         └───────────────────►┘
// x ─► Add(mask) ─► Softmax(last axis) ─► y                               ⇒  MaskedSoftmax(x, mask)
// as exporters write scaled_dot_product_attention.  Refuses another axis, a mask that widens x, another type
// than float32, and intermediates with other readers or that are graph outputs.
namespace edgeclip::builder {

using namespace engine;

namespace {

/// Softmax over the last axis; before opset 13 that is so for any axis that is the last.
bool over_last_axis(const Node& node, const ShapeFacts& facts) {
  const auto shape = facts.shape(node.inputs[0]);
  if (!shape || shape->empty()) return false;
  const auto rank = static_cast<std::int64_t>(shape->size());
  const std::int64_t axis = node.int_or("axis", node.opset >= 13 ? -1 : 1);
  return axis == -1 || axis == rank - 1;
}

bool is_zero(const Graph& graph, ValueId id, const ShapeFacts& facts, ValueId like) {
  return scalar(graph, id) == 0.0 && keeps_shape(graph, id, facts.shape(like));
}

struct Masked {
  ValueId x, mask;
};

/// x and the mask of the Add that gives `sum`; or sum itself without one.
Masked masked(const GraphIndex& index, const ShapeFacts& facts, ValueId sum) {
  const Node* add = index.inner(sum, "Add");
  if (!add) return {sum, kNoValue};
  for (const std::size_t side : {0, 1}) {
    const ValueId x = add->inputs[side], mask = add->inputs[1 - side];
    if (x != mask && facts.same(x, sum) && facts.dtype(mask) == DType::f32)
      return {x, mask};
  }
  return {sum, kNoValue};
}

bool rewrite_softmax(Graph& graph, const GraphIndex& index, const ShapeFacts& facts, std::size_t i) {
  Node& node = graph.nodes()[i];
  const Node* softmax = &node;
  if (node.is("Where")) {
    const Node* is_nan = index.inner(node.inputs[0], "IsNaN");
    if (!is_nan || is_nan->inputs[0] != node.inputs[2]) return false;
    softmax = index.producer(node.inputs[2]);
    if (!softmax || !softmax->is("Softmax") || !is_zero(graph, node.inputs[1], facts, node.inputs[2]) ||
        !index.read_only_by({&node, is_nan}, {node.inputs[2]}))
      return false;
  } else if (!node.is("Softmax")) {
    return false;
  }
  if (!over_last_axis(*softmax, facts) || facts.dtype(softmax->inputs[0]) != DType::f32) return false;
  const Masked found = masked(index, facts, softmax->inputs[0]);
  const bool safe = node.is("Where");
  if (!safe && found.mask == kNoValue) return false;
  become(node, "MaskedSoftmax", {found.x, found.mask}, {{"safe", std::int64_t{safe ? 1 : 0}}});
  return true;
}

}  // namespace

int fuse_masked_softmax(Graph& graph) {
  const auto maybe = [](const Node& node) { return node.is("Softmax"); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), maybe)) return 0;
  // The longer pattern first: a Softmax that was rewritten alone would hide it.
  int count = 0;
  for (const char* last : {"Where", "Softmax"}) {
    const ShapeFacts facts(graph);  // of each walk its own: a walk that rewrites numbers the values anew
    count += rewrite_nodes(graph, [&](Graph& g, const GraphIndex& index, std::size_t i) {
      return g.nodes()[i].is(last) && rewrite_softmax(g, index, facts, i);
    });
  }
  return count;
}

}  // namespace edgeclip::builder
