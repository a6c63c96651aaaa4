#include "builder/passes/fuse_quantized_conv.h"

#include <algorithm>

#include "builder/passes/activation_by.h"
#include "builder/passes/dequantized.h"
#include "engine/graph/shape_inference.h"

// q ─► DequantizeLinear ─► Conv ─► y        ⇒  q ─► QuantConv(W int8, a scale per channel; b) ─► y
//   W int8 ─► DequantizeLinear ─►┘
// and then, one after the other, what reads y alone:
//   y ─► Add(residual of the same shape)    y ─► an activation (activation_by.h)
// A residual behind a DequantizeLinear is added as the 8 bits that it is.
// Refuses: activations that are not uint8 or int8 with one constant scale and zero point; weights that are no
// constant int8 with zero point 0 and one scale, or one per output channel; a bias that is no constant; more
// than three spatial dimensions; in the second step a y that is a graph output or has other readers, a
// residual that is not provably of y's shape, a second residual, and anything behind the activation.
namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr std::size_t kResidualInput = 4;

bool rewrite_conv(Graph& graph, const GraphIndex& index, std::size_t i) {
  const Node& conv = graph.nodes()[i];
  const auto x = dequantized_activation(graph, index, conv.inputs[0]);
  const auto w = dequantized_weights(graph, index, conv.inputs[1], 0);
  if (!x || !w) return false;
  const Shape& shape = graph.value(w->quantized).constant->shape();
  if (shape.size() < 3 || shape.size() > 5) return false;
  const std::int64_t channels = shape[0];
  ValueId bias = kNoValue;
  if (conv.has_input(2)) {
    bias = constant_bias(graph, index, conv.inputs[2], channels);
    if (bias == kNoValue) return false;
  }
  const ValueId scales = channel_scales(graph, *w, channels);
  auto attributes = conv.attributes;
  attributes["x_scale"] = x->scale;
  attributes["x_zero_point"] = x->zero_point;
  attributes["activation"] = std::string();
  become(graph.nodes()[i], "QuantConv", {x->quantized, w->quantized, scales, bias}, std::move(attributes));
  return true;
}

/// The QuantConv that gives the value and can take something in; nullptr otherwise.
const Node* open_conv(const GraphIndex& index, ValueId id) {
  const Node* conv = index.inner(id, "QuantConv", "edgeclip");
  return conv && activation_of(*conv) == Activation::kNone && conv->string_or("out_type", "").empty()
             ? conv
             : nullptr;
}

class FuseQuantizedConv {
 public:
  explicit FuseQuantizedConv(const Graph& graph) : facts_(graph) {}

  bool operator()(Graph& graph, const GraphIndex& index, std::size_t i) const {
    Node& node = graph.nodes()[i];
    if (node.is("Conv")) return rewrite_conv(graph, index, i);
    if (node.is("Add")) return add_residual(graph, index, node);
    const Activation activation = activation_by(graph, node);
    if (activation == Activation::kNone) return false;
    const Node* conv = open_conv(index, node.inputs[0]);
    if (!conv) return false;
    auto attributes = conv->attributes;
    set_activation(attributes, activation);
    become(node, "QuantConv", conv->inputs, std::move(attributes));
    return true;
  }

 private:
  bool add_residual(const Graph& graph, const GraphIndex& index, Node& node) const {
    for (const std::size_t side : {0, 1}) {
      const Node* conv = open_conv(index, node.inputs[side]);
      const ValueId residual = node.inputs[1 - side];
      if (!conv || conv->has_input(kResidualInput) || graph.value(residual).is_constant() ||
          facts_.dtype(residual) != DType::f32 || !facts_.same(node.inputs[side], residual))
        continue;
      std::vector<ValueId> inputs = conv->inputs;
      inputs.resize(kResidualInput, kNoValue);
      auto attributes = conv->attributes;
      if (const auto bytes = dequantized_activation(graph, index, residual)) {
        attributes["residual_scale"] = bytes->scale;
        attributes["residual_zero_point"] = bytes->zero_point;
        inputs.push_back(bytes->quantized);
      } else {
        inputs.push_back(residual);
      }
      become(node, "QuantConv", std::move(inputs), std::move(attributes));
      return true;
    }
    return false;
  }

  ShapeFacts facts_;
};

}  // namespace

int fuse_quantized_conv(Graph& graph) {
  const auto wanted = [](const Node& node) {
    return node.is("QuantConv", "edgeclip") || (node.is("Conv") && node.has_input(1));
  };
  const bool dequantizes = std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
    return node.is("DequantizeLinear") || node.is("QuantConv", "edgeclip");
  });
  if (!dequantizes || std::none_of(graph.nodes().begin(), graph.nodes().end(), wanted)) return 0;
  return rewrite_nodes(graph, FuseQuantizedConv(graph));
}

}  // namespace edgeclip::builder
