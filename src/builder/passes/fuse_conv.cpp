#include "builder/passes/fuse_conv.h"

#include <algorithm>

#include "builder/passes/activation_by.h"
#include "builder/passes/pattern.h"
#include "builder/passes/real_constants.h"
#include "engine/graph/shape_inference.h"

// x ─► Conv(W, b) ─► [Add(bias)] ─► [Add] ─► [an activation] ─► y
//                         residual ─►┘              ⇒  FusedConv(x, W, b, residual; activation)
// Step by step, each giving a node that is right by itself, with F for Conv or FusedConv:
//   F + Add(constant of each channel)  ⇒ FusedConv      F + Add(residual)  ⇒ FusedConv
//   F + an activation (activation_by.h)  ⇒ FusedConv
// Refuses: weights that are no constants; more than three spatial dimensions; a bias that varies within a
// channel, and one behind a residual; a residual that is not provably of the result's shape (it would have to
// be broadcast); a second residual or activation, and anything behind the activation; intermediates with
// other readers or that are graph outputs.
namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr std::size_t kBias = 2, kResidual = 3;

class FuseConv {
 public:
  explicit FuseConv(const Graph& graph) : facts_(graph) {}

  bool operator()(Graph& graph, const GraphIndex& index, std::size_t i) const {
    Node& node = graph.nodes()[i];
    if (node.is("Add")) return add_bias(graph, index, node) || add_residual(graph, index, node);
    const Activation activation = activation_by(graph, node);
    return activation != Activation::kNone && add_activation(graph, index, node, activation);
  }

 private:
  /// The convolution that gives the value and can take something in; nullptr otherwise.
  static const Node* open_conv(const Graph& graph, const GraphIndex& index, ValueId id) {
    const Node* conv = index.inner(id, "Conv");
    if (!conv) conv = index.inner(id, "FusedConv", "edgeclip");
    if (!conv || activation_of(*conv) != Activation::kNone) return nullptr;
    const Tensor* weights = real_constant(graph, conv->inputs[1]);
    return weights && weights->shape().size() >= 3 && weights->shape().size() <= 5 ? conv : nullptr;
  }

  static std::vector<ValueId> inputs_of(const Node& conv) {
    std::vector<ValueId> inputs = conv.inputs;
    inputs.resize(4, kNoValue);
    return inputs;
  }

  static bool add_bias(Graph& graph, const GraphIndex& index, Node& node) {
    for (const std::size_t side : {0, 1}) {
      const Node* conv = open_conv(graph, index, node.inputs[side]);
      const Tensor* constant = real_constant(graph, node.inputs[1 - side]);
      if (!conv || !constant || conv->has_input(kResidual)) continue;
      const Tensor& weights = *graph.value(conv->inputs[1]).constant;
      const std::int64_t channels = weights.dim(0);
      std::vector<double> bias = values_along(*constant, 1, channels, weights.shape().size());
      if (bias.empty() || constant->dtype() != weights.dtype()) continue;
      if (conv->has_input(kBias)) {
        const Tensor* before = real_constant(graph, conv->inputs[kBias]);
        if (!before || before->elements() != channels) continue;
        const std::vector<double> old = reals_of(*before);
        for (std::size_t c = 0; c < bias.size(); ++c) bias[c] += old[c];
      }
      std::vector<ValueId> inputs = inputs_of(*conv);
      inputs[kBias] = graph.add_constant(graph.value(node.inputs[1 - side]).name + "/bias",
                                         make_reals(weights.dtype(), {channels}, bias));
      become(node, "FusedConv", std::move(inputs), conv->attributes);
      return true;
    }
    return false;
  }

  bool add_residual(const Graph& graph, const GraphIndex& index, Node& node) const {
    for (const std::size_t side : {0, 1}) {
      const Node* conv = open_conv(graph, index, node.inputs[side]);
      const ValueId residual = node.inputs[1 - side];
      if (!conv || conv->has_input(kResidual) || !facts_.same(node.inputs[side], residual)) continue;
      std::vector<ValueId> inputs = inputs_of(*conv);
      inputs[kResidual] = residual;
      become(node, "FusedConv", std::move(inputs), conv->attributes);
      return true;
    }
    return false;
  }

  static bool add_activation(const Graph& graph, const GraphIndex& index, Node& node,
                             const Activation& activation) {
    const Node* conv = open_conv(graph, index, node.inputs[0]);
    if (!conv) return false;
    auto attributes = conv->attributes;
    set_activation(attributes, activation);
    become(node, "FusedConv", conv->inputs, std::move(attributes));
    return true;
  }

  ShapeFacts facts_;
};

}  // namespace

int fuse_conv(Graph& graph) {
  const auto wanted = [](const Node& node) { return node.is("Conv") || node.is("FusedConv", "edgeclip"); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), wanted)) return 0;
  return rewrite_nodes(graph, FuseConv(graph));
}

}  // namespace edgeclip::builder
