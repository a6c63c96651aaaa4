#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// What fused operators do to a sum, element by element.  In a node: attributes "activation" (a name, "" for
/// none) and, where the kind has parameters, "activation_alpha" and "activation_beta".
struct Activation {
  enum Kind {
    kNone,
    kRelu,         ///< "relu": max(x, 0)
    kClip,         ///< "clip": min(max(x, alpha), beta), alpha <= beta, either may be infinite
    kLeakyRelu,    ///< "leaky_relu": x for x >= 0, alpha x else
    kSigmoid,      ///< "sigmoid": 1 / (1 + e^-x)
    kHardSigmoid,  ///< "hard_sigmoid": min(max(alpha x + beta, 0), 1)
    kHardSwish,    ///< "hard_swish": x min(max(x/6 + 1/2, 0), 1)
    kSwish,        ///< "swish": x sigmoid(alpha x); SiLU with alpha = 1
    kTanh,         ///< "tanh"
    kGelu,         ///< "gelu": x/2 (1 + erf(x / sqrt 2))
    kGeluTanh,     ///< "gelu_tanh": x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    kQuickGelu,    ///< "quick_gelu": x sigmoid(1.702 x)
  };

  // Not explicit: a kind without parameters is an activation.
  constexpr Activation(Kind a_kind = kNone, float a_alpha = 0, float a_beta = 0)
      : kind(a_kind), alpha(a_alpha), beta(a_beta) {}
  friend constexpr bool operator==(const Activation&, const Activation&) = default;

  Kind kind;
  float alpha, beta;  ///< 0 where the kind has no such parameter
};

/// Of a fused node.  Throws InvalidInput if it names another one, lacks a parameter of it, or has one that
/// makes no sense.
Activation activation_of(const Node& node);

/// Writes the attributes that activation_of() reads in place of those that are there.
void set_activation(std::map<std::string, Attribute>& attributes, const Activation& activation);

/// What FusedMatMul and QuantMatMul have kernels for: none, relu, gelu and quick_gelu.
bool is_product_activation(const Activation& activation);
/// activation_of(), one of those.  Throws InvalidInput for all others.
Activation product_activation_of(const Node& node);

template <class T>
T gelu(T x) {
  return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440)));
}
template <class T>
T gelu_tanh(T x) {
  return T(0.5) * x * (T(1) + std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
}
/// x sigmoid(alpha x).
template <class T>
T swish(T x, T alpha) {
  return x / (T(1) + std::exp(-alpha * x));
}
template <class T>
T quick_gelu(T x) {
  return swish(x, T(1.702));
}

template <class T>
T activate(T x, const Activation& activation) {
  const T alpha = static_cast<T>(activation.alpha), beta = static_cast<T>(activation.beta);
  switch (activation.kind) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return std::max(x, T(0));
    case Activation::kClip:
      return std::min(std::max(x, alpha), beta);
    case Activation::kLeakyRelu:
      return x < T(0) ? alpha * x : x;
    case Activation::kSigmoid:
      return T(1) / (T(1) + std::exp(-x));
    case Activation::kHardSigmoid:
      return std::max(T(0), std::min(T(1), alpha * x + beta));
    case Activation::kHardSwish:
      return x * std::max(T(0), std::min(T(1), x / T(6) + T(0.5)));
    case Activation::kSwish:
      return swish(x, alpha);
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kGelu:
      return gelu(x);
    case Activation::kGeluTanh:
      return gelu_tanh(x);
    case Activation::kQuickGelu:
      return quick_gelu(x);
  }
  return x;
}

}  // namespace edgeclip::engine
