#include "builder/passes/eliminate_identity.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// x ─► Identity ─► y      ⇒  x
// Also Dropout (inference, mask unread), Cast to the type that x has, Transpose that moves nothing, and
// Reshape, Flatten, Squeeze, Unsqueeze, Expand to the shape that x always has. Refuses if y is a graph output
// and x an input, a constant or an output too (outputs keep their names).
namespace edgeclip::builder {

using namespace engine;

namespace {

bool is_read(const Graph& graph, ValueId id) {
  return id != kNoValue && (graph.is_output(id) || !graph.consumers(id).empty());
}

bool gives_its_input(const Graph& graph, const Node& node, const ShapeFacts& facts) {
  const ValueId x = node.inputs.empty() ? kNoValue : node.inputs[0], y = node.outputs[0];
  if (x == kNoValue || y == kNoValue) return false;
  if (node.is("Identity")) return true;
  if (node.is("Dropout"))
    return (node.outputs.size() == 1 || !is_read(graph, node.outputs[1])) &&
           facts.shape(y).has_value();  // its rule refuses training mode
  if (node.is("Cast")) return facts.dtype(x) && facts.dtype(x) == facts.dtype(y);
  if (node.is("Transpose")) {
    const auto perm = node.ints_or("perm", {});
    for (std::size_t i = 0; i < perm.size(); ++i)
      if (perm[i] != static_cast<std::int64_t>(i)) return false;
    return !perm.empty();
  }
  for (const char* op : {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand"})
    if (node.is(op)) return facts.same(x, y);
  return false;
}

}  // namespace

int eliminate_identity(Graph& graph) {
  const ShapeFacts facts(graph);
  std::vector<std::size_t> makers(graph.value_count(), graph.nodes().size());
  for (std::size_t i = 0; i < graph.nodes().size(); ++i)
    for (const ValueId id : graph.nodes()[i].outputs)
      if (id != kNoValue) makers[static_cast<std::size_t>(id)] = i;

  // Every value's stand-in, followed in topological order, so that chains end at their first value.
  std::vector<ValueId> same(graph.value_count());
  for (std::size_t i = 0; i < same.size(); ++i) same[i] = static_cast<ValueId>(i);
  int count = 0;
  for (Node& node : graph.nodes()) {
    for (ValueId& id : node.inputs)
      if (id != kNoValue) id = same[static_cast<std::size_t>(id)];
    if (!gives_its_input(graph, node, facts)) continue;
    const ValueId x = node.inputs[0], y = node.outputs[0];
    if (graph.is_output(y)) {
      // y keeps its name and takes the place of x, which must have been made by a node
      const std::size_t maker = makers[static_cast<std::size_t>(x)];
      if (maker == graph.nodes().size() || graph.is_output(x)) continue;
      std::replace(graph.nodes()[maker].outputs.begin(), graph.nodes()[maker].outputs.end(), x, y);
      makers[static_cast<std::size_t>(y)] = maker;
      node.inputs[0] = y;
      node.outputs[0] = x;  // nobody reads it any more
      graph.replace_uses(x, y);
      for (ValueId& id : same)
        if (id == x) id = y;
    } else {
      same[static_cast<std::size_t>(y)] = x;
    }
    ++count;
  }
  if (count > 0) graph.remove_dead();
  return count;
}

}  // namespace edgeclip::builder
