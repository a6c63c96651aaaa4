#include "builder/passes/fuse_affine.h"

#include "builder/passes/activation_by.h"
#include "builder/passes/pattern.h"

// x ─► ChannelAffine ─► an activation (activation_by.h) ─► y      ⇒  ChannelAffine(x; activation)
// Refuses a second activation, and a ChannelAffine with other readers or that is a graph output.
namespace edgeclip::builder {

using namespace engine;

namespace {

bool rewrite_activation(Graph& graph, const GraphIndex& index, std::size_t i) {
  Node& node = graph.nodes()[i];
  const Activation activation = activation_by(graph, node);
  if (activation == Activation::kNone) return false;
  const Node* affine = index.inner(node.inputs[0], "ChannelAffine", "edgeclip");
  if (!affine || activation_of(*affine) != Activation::kNone) return false;
  auto attributes = affine->attributes;
  set_activation(attributes, activation);
  become(node, "ChannelAffine", affine->inputs, std::move(attributes));
  return true;
}

}  // namespace

int fuse_affine(Graph& graph) { return rewrite_nodes(graph, rewrite_activation); }

}  // namespace edgeclip::builder
