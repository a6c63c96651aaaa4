#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// What fused operators do to a sum: their attribute "activation".
enum class Activation { kNone, kRelu, kGelu, kQuickGelu };

/// As the attribute has it: "", "relu", "gelu", "quick_gelu".
std::string activation_name(Activation activation);

/// Of a fused node.  Throws InvalidInput if it names another one.
Activation activation_of(const Node& node);

/// The activation that a node by itself is (Relu, edgeclip.Gelu, edgeclip.QuickGelu); kNone for all others.
Activation activation_by(const Node& node);

/// x/2 (1 + erf(x / sqrt 2)), exact; x sigmoid(1.702 x).
template <class T>
T gelu(T x) {
  return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440)));
}
template <class T>
T quick_gelu(T x) {
  return x / (T(1) + std::exp(T(-1.702) * x));
}

template <class T>
T activate(T x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return std::max(x, T(0));
    case Activation::kGelu:
      return gelu(x);
    case Activation::kQuickGelu:
      return quick_gelu(x);
    default:
      return x;
  }
}

}  // namespace edgeclip::engine
