#include "builder/passes/activation_by.h"

#include <cmath>
#include <limits>

#include "builder/passes/pattern.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_float32(double x) { return static_cast<double>(static_cast<float>(x)) == x; }

Activation activation_by_clip(const Graph& graph, const Node& node) {
  const auto bounds = clip_bounds(graph, node);
  if (!bounds || !(bounds->low <= bounds->high) || !is_float32(bounds->low) || !is_float32(bounds->high))
    return Activation::kNone;
  if (bounds->high == kInfinity) {
    if (bounds->low == -kInfinity) return Activation::kNone;
    if (bounds->low == 0) return Activation::kRelu;
  }
  return {Activation::kClip, static_cast<float>(bounds->low), static_cast<float>(bounds->high)};
}

/// Any of the parameters that a node can have, sensible or not.
Activation activation_as_given(const Graph& graph, const Node& node) {
  if (node.is("Relu")) return Activation::kRelu;
  if (node.is("Clip")) return activation_by_clip(graph, node);
  if (node.is("LeakyRelu")) return {Activation::kLeakyRelu, node.float_or("alpha", 0.01F)};
  if (node.is("Sigmoid")) return Activation::kSigmoid;
  if (node.is("HardSigmoid"))
    return {Activation::kHardSigmoid, node.float_or("alpha", 0.2F), node.float_or("beta", 0.5F)};
  if (node.is("HardSwish")) return Activation::kHardSwish;
  if (node.is("Swish")) return {Activation::kSwish, node.float_or("alpha", 1.0F)};
  if (node.is("Tanh")) return Activation::kTanh;
  if (node.is("Gelu")) {
    const std::string mode = node.string_or("approximate", "none");
    return mode == "none" ? Activation::kGelu : mode == "tanh" ? Activation::kGeluTanh : Activation::kNone;
  }
  if (node.is("Gelu", "edgeclip")) return Activation::kGelu;
  if (node.is("QuickGelu", "edgeclip")) return Activation::kQuickGelu;
  return Activation::kNone;
}

}  // namespace

std::optional<ClipBounds> clip_bounds(const Graph& graph, const Node& node) {
  if (!node.is("Clip")) return {};
  ClipBounds bounds{-kInfinity, kInfinity};
  if (node.has("min")) bounds.low = static_cast<double>(node.float_or("min", 0));
  if (node.has("max")) bounds.high = static_cast<double>(node.float_or("max", 0));
  for (const std::size_t i : {1, 2}) {
    if (!node.has_input(i)) continue;
    const auto bound = scalar(graph, node.inputs[i]);
    if (!bound) return {};
    (i == 1 ? bounds.low : bounds.high) = *bound;
  }
  if (std::isnan(bounds.low) || std::isnan(bounds.high)) return {};
  return bounds;
}

Activation activation_by(const Graph& graph, const Node& node) {
  const Activation activation = activation_as_given(graph, node);
  const bool sensible = activation.kind == Activation::kClip ||
                        (std::isfinite(activation.alpha) && std::isfinite(activation.beta));
  return sensible ? activation : Activation::kNone;
}

}  // namespace edgeclip::builder
