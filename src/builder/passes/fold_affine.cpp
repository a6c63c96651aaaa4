#include "builder/passes/fold_affine.h"

#include "builder/passes/pattern.h"
#include "builder/passes/real_constants.h"
#include "engine/ops/activation.h"

// x ─► Conv | FusedConv | ConvTranspose (W, b) ─► ChannelAffine(scale, shift; activation) ─► y
//      ⇒  the convolution with W scale and b scale + shift; a FusedConv where there is an activation
// Refuses weights or a bias that are no constants, a FusedConv that has an activation or residual, a
// ConvTranspose with an activation behind it (it has no fused form), and a convolution with other readers or
// that is a graph output.
namespace edgeclip::builder {

using namespace engine;

namespace {

const Node* convolution(const GraphIndex& index, ValueId id) {
  for (const char* op : {"Conv", "ConvTranspose"})
    if (const Node* node = index.inner(id, op)) return node;
  const Node* node = index.inner(id, "FusedConv", "edgeclip");
  return node && activation_of(*node) == Activation::kNone && !node->has_input(3) ? node : nullptr;
}

/// The weights with each output channel's multiplied by its scale: (M, C / group, kernel...), transposed (C,
/// M / group, kernel...). Empty if the scales are not as many as the channels.
std::vector<double> scaled_weights(const Node& conv, const Tensor& weights,
                                   const std::vector<double>& scale) {
  const bool transposed = conv.is("ConvTranspose");
  const std::int64_t groups = conv.int_or("group", 1), rows = weights.dim(0), columns = weights.dim(1);
  if (groups < 1 || groups > rows || rows % groups != 0) return {};
  const std::int64_t channels = transposed ? columns * groups : rows;
  std::vector<double> values = reals_of(weights);
  if (static_cast<std::int64_t>(scale.size()) != channels || values.empty()) return {};
  const std::int64_t taps = weights.elements() / (rows * columns), inputs = rows / groups;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t channel = transposed ? r / inputs * columns + c : r;
      for (std::int64_t t = 0; t < taps; ++t)
        values[static_cast<std::size_t>((r * columns + c) * taps + t)] *=
            scale[static_cast<std::size_t>(channel)];
    }
  return values;
}

bool rewrite_affine(Graph& graph, const GraphIndex& index, std::size_t i) {
  Node& node = graph.nodes()[i];
  if (!node.is("ChannelAffine", "edgeclip") || node.inputs.size() > 3) return false;
  const Node* conv = convolution(index, node.inputs[0]);
  if (!conv) return false;
  const Activation activation = activation_of(node);
  const Tensor *weights = real_constant(graph, conv->inputs[1]),
               *scale = real_constant(graph, node.inputs[1]), *shift = real_constant(graph, node.inputs[2]);
  if (!weights || !scale || !shift || weights->shape().size() < 3 || weights->dtype() != scale->dtype())
    return false;
  const bool activated = activation != Activation::kNone;
  if (activated && (conv->is("ConvTranspose") || weights->shape().size() > 5)) return false;

  const std::vector<double> factors = reals_of(*scale);
  const std::vector<double> values = scaled_weights(*conv, *weights, factors);
  std::vector<double> bias = reals_of(*shift);
  if (values.empty() || bias.size() != factors.size()) return false;
  if (conv->has_input(2)) {
    const Tensor* before = real_constant(graph, conv->inputs[2]);
    if (!before || before->elements() != static_cast<std::int64_t>(bias.size())) return false;
    const std::vector<double> old = reals_of(*before);
    for (std::size_t c = 0; c < bias.size(); ++c) bias[c] += old[c] * factors[c];
  }

  const DType dtype = weights->dtype();
  const auto channels = static_cast<std::int64_t>(bias.size());
  const std::string name = graph.value(conv->inputs[1]).name;
  Tensor new_weights = make_reals(dtype, weights->shape(), values);
  const ValueId x = conv->inputs[0], w = graph.add_constant(name + "/scaled", std::move(new_weights)),
                b = graph.add_constant(name + "/bias", make_reals(dtype, {channels}, bias));
  auto attributes = conv->attributes;
  if (activated || conv->is("FusedConv", "edgeclip")) {
    set_activation(attributes, activation);
    become(node, "FusedConv", {x, w, b}, std::move(attributes));
  } else {
    become_onnx(node, conv->op.c_str(), conv->opset, {x, w, b}, std::move(attributes));
  }
  return true;
}

}  // namespace

int fold_affine(Graph& graph) { return rewrite_nodes(graph, rewrite_affine); }

}  // namespace edgeclip::builder
