#include "builder/passes/fuse_channel_shuffle.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// x (N, C, ...) ─► Reshape (N, g, C/g, ...) ─► Transpose (0, 2, 1, 3, ...) ─► Reshape (N, C, ...) ─► y
//                                                                             ⇒  ChannelShuffle(x; group g)
// Refuses if the shapes in between are not surely these (of N and the planes' dimensions, one may be dynamic:
// then the others say what it is), and intermediates with other readers or that are graph outputs.
namespace edgeclip::builder {

using namespace engine;

namespace {

bool exchanges_groups(const Node& transpose) {
  std::vector<std::int64_t> wanted(transpose.ints_or("perm", {}).size());
  if (wanted.size() < 3) return false;
  for (std::size_t d = 0; d < wanted.size(); ++d) wanted[d] = static_cast<std::int64_t>(d);
  std::swap(wanted[1], wanted[2]);
  return transpose.ints_or("perm", {}) == wanted;
}

/// g, if `groups` is x (N, C, ...) as (N, g, C/g, ...).
std::optional<std::int64_t> groups_of(const Shape& x, const Shape& groups) {
  if (x.size() < 2 || groups.size() != x.size() + 1) return {};
  if (groups[1] < 1 || groups[2] < 1 || x[1] != groups[1] * groups[2]) return {};
  int dynamic = 0;
  for (std::size_t d = 0; d < x.size(); ++d) {
    if (d == 1) continue;
    if (x[d] != groups[d == 0 ? 0 : d + 1]) return {};
    dynamic += x[d] < 0;
  }
  if (dynamic > 1) return {};
  return groups[1];
}

bool rewrite_channel_shuffle(Graph& graph, const GraphIndex& index, const ShapeFacts& facts, std::size_t i) {
  Node& node = graph.nodes()[i];
  if (!node.is("Reshape")) return false;
  const Node* transpose = index.inner(node.inputs[0], "Transpose");
  if (!transpose || !exchanges_groups(*transpose)) return false;
  const Node* split = index.inner(transpose->inputs[0], "Reshape");
  if (!split || !facts.same(split->inputs[0], node.outputs[0])) return false;
  const auto x = facts.shape(split->inputs[0]), groups = facts.shape(transpose->inputs[0]);
  const auto group = x && groups ? groups_of(*x, *groups) : std::nullopt;
  if (!group) return false;
  become(node, "ChannelShuffle", {split->inputs[0]}, {{"group", *group}});
  return true;
}

}  // namespace

int fuse_channel_shuffle(Graph& graph) {
  const auto wanted = [](const Node& node) { return node.is("Transpose") && exchanges_groups(node); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), wanted)) return 0;
  const ShapeFacts facts(graph);
  return rewrite_nodes(graph, [&](Graph& g, const GraphIndex& index, std::size_t i) {
    return rewrite_channel_shuffle(g, index, facts, i);
  });
}

}  // namespace edgeclip::builder
