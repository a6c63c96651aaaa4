#include "builder/passes/fuse_concat.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// a ─► Concat(axis 1) ─► ChannelAffine(scale, shift) ─► y      ⇒  ChannelAffine(a, scale, shift, b)
// b ─►┘
// a ─► Concat(axis 1) ─► ChannelShuffle ─► y                   ⇒  ChannelShuffle(a, b)
// b ─►┘
// DenseNet's and ShuffleNet's: what is joined is read once instead of copied first.  Refuses another axis, and
// a Concat with other readers or that is a graph output.
namespace edgeclip::builder {

using namespace engine;

namespace {

bool along_channels(const Node& concat, const ShapeFacts& facts) {
  const std::int64_t axis = concat.int_or("axis", 1);
  const auto shape = facts.shape(concat.outputs[0]);
  return shape && shape->size() >= 2 && (axis == 1 || axis == 1 - static_cast<std::int64_t>(shape->size()));
}

bool rewrite_concat(Graph& graph, const GraphIndex& index, const ShapeFacts& facts, std::size_t i) {
  Node& node = graph.nodes()[i];
  const bool affine = node.is("ChannelAffine", "edgeclip");
  if (!affine && !node.is("ChannelShuffle", "edgeclip")) return false;
  if (node.inputs.size() != (affine ? 3U : 1U)) return false;  // has parts already
  const Node* concat = index.inner(node.inputs[0], "Concat");
  if (!concat || concat->inputs.size() < 2 || !along_channels(*concat, facts)) return false;
  const std::vector<ValueId> parts = concat->inputs;
  node.inputs[0] = parts[0];
  node.inputs.insert(node.inputs.end(), parts.begin() + 1, parts.end());
  return true;
}

}  // namespace

int fuse_concat(Graph& graph) {
  const auto maybe = [](const Node& node) { return node.is("Concat"); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), maybe)) return 0;
  const ShapeFacts facts(graph);
  return rewrite_nodes(graph, [&](Graph& g, const GraphIndex& index, std::size_t i) {
    return rewrite_concat(g, index, facts, i);
  });
}

}  // namespace edgeclip::builder
