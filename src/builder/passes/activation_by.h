#pragma once

#include <optional>

#include "engine/ops/activation.h"

namespace edgeclip::builder {

/// The bounds of a Clip, as attributes or constant inputs; infinite where there is none.
struct ClipBounds {
  double low, high;
};
/// Nothing if the node is no Clip, if a bound is no constant of float32 or float64, or is not a number.
std::optional<ClipBounds> clip_bounds(const engine::Graph& graph, const engine::Node& node);

/// The activation that a node by itself is, whose first input it is of: Relu, Clip, LeakyRelu, Sigmoid,
/// HardSigmoid, HardSwish, Swish, Tanh, Gelu; edgeclip.Gelu and QuickGelu.  kNone for all others, for a Clip
/// without bounds, and for parameters that are not finite or that float32 does not hold.
engine::Activation activation_by(const engine::Graph& graph, const engine::Node& node);

}  // namespace edgeclip::builder
