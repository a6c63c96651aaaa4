#include <cmath>
#include <type_traits>

#include "engine/ops/activation.h"
#include "engine/ops/convert.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/families.h"

/// Activation functions of neural networks beyond those in unary.cpp.  Formulas are those of the ONNX
/// operator documentation.
namespace edgeclip::engine {

namespace {

/// ln(1 + e^x) without overflow.
template <class T>
T stable_softplus(T x) {
  return x > T(0) ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

/// "none": x/2 (1 + erf(x / sqrt 2)); "tanh": x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
struct GeluFunction {
  explicit GeluFunction(const Node& node) : tanh(node.string_or("approximate", "none") == "tanh") {}
  template <class T>
  T operator()(T x) const {
    return tanh ? gelu_tanh(x) : gelu(x);
  }
  bool tanh;
};

/// max(0, x) + min(0, alpha (e^(x / alpha) - 1))
struct Celu {
  explicit Celu(const Node& node) : alpha(node.float_or("alpha", 1.0F)) {}
  template <class T>
  T operator()(T x) const {
    return std::fmax(T(0), x) + std::fmin(T(0), T(alpha) * std::expm1(x / T(alpha)));
  }
  float alpha;
};

/// gamma x for x > 0, gamma (alpha e^x - alpha) else.
struct Selu {
  explicit Selu(const Node& node)
      : alpha(node.float_or("alpha", 1.67326319217681884765625F)),
        gamma(node.float_or("gamma", 1.05070102214813232421875F)) {}
  template <class T>
  T operator()(T x) const {
    return T(gamma) * (x > T(0) ? x : T(alpha) * std::expm1(x));
  }
  float alpha, gamma;
};

/// x tanh(ln(1 + e^x))
struct Mish {
  explicit Mish(const Node&) {}
  template <class T>
  T operator()(T x) const {
    return x * std::tanh(stable_softplus(x));
  }
};

/// x sigmoid(alpha x)
struct Swish {
  explicit Swish(const Node& node) : alpha(node.float_or("alpha", 1.0F)) {}
  template <class T>
  T operator()(T x) const {
    return swish(x, T(alpha));
  }
  float alpha;
};

/// x / (1 + |x|)
struct Softsign {
  explicit Softsign(const Node&) {}
  template <class T>
  T operator()(T x) const {
    return x / (T(1) + std::fabs(x));
  }
};

/// x for x > alpha, 0 else.
struct ThresholdedRelu {
  explicit ThresholdedRelu(const Node& node) : alpha(node.float_or("alpha", 1.0F)) {}
  template <class T>
  T operator()(T x) const {
    return x > T(alpha) ? x : T(0);
  }
  float alpha;
};

/// x + bias for x < -lambd, x - bias for x > lambd, 0 else; integers are computed in double and truncated.
struct Shrink {
  explicit Shrink(const Node& node)
      : lambd(node.float_or("lambd", 0.5F)), bias(node.float_or("bias", 0.0F)) {}
  template <class T>
  T operator()(T x) const {
    using W = std::conditional_t<std::is_integral_v<T>, double, T>;
    const W w = static_cast<W>(x);
    return w < -W(lambd) ? convert<T>(w + W(bias)) : w > W(lambd) ? convert<T>(w - W(bias)) : T(0);
  }
  float lambd, bias;
};

void infer_gelu(ShapeContext& context) {
  const std::string mode = context.node.string_or("approximate", "none");
  if (mode != "none" && mode != "tanh") refuse(context.node, "approximate is '{}'", printable(mode));
  infer_same_float(context);
}

void infer_celu(ShapeContext& context) {
  if (context.node.float_or("alpha", 1.0F) == 0) refuse(context.node, "alpha is 0, and it divides by it");
  infer_same_float(context);
}

void infer_shrink(ShapeContext& context) {
  const DType dtype = context.inputs[0].dtype;
  if (!is_float(dtype) && !is_integer(dtype)) unsupported_type(context.node, dtype);
  infer_same(context);
}

/// x, slope -> x for x >= 0, slope x else; the slope broadcasts to x, never the other way.
void infer_prelu(ShapeContext& context) {
  const DType dtype = context.inputs[0].dtype;
  require_same_dtype(context, 0, 1);
  if (!is_float(dtype) && !is_integer(dtype)) unsupported_type(context.node, dtype);
  if (!broadcasts_to(context.inputs[1].shape, context.inputs[0].shape))
    refuse(context.node, "slope {} does not broadcast to {}", shape_string(context.inputs[1].shape),
           shape_string(context.inputs[0].shape));
  infer_same(context);
}

void run_prelu(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    broadcast_binary<T, T, T>(inputs[0], inputs[1], outputs[0], [](T x, T slope) {
      if (!(x < T(0))) return x;
      if constexpr (std::is_integral_v<T>)  // wraps around, as Mul does
        return static_cast<T>(static_cast<std::uint64_t>(x) * static_cast<std::uint64_t>(slope));
      else
        return x * slope;
    });
  });
}

}  // namespace

const std::vector<Operator>& activation_operators() {
  static const std::vector<Operator> rows = {
      {"Gelu", "", 20, kNewestOpset, infer_gelu, run_float<GeluFunction>, 1, 1, 1, "approximate:s"},
      {"Celu", "", 12, kNewestOpset, infer_celu, run_float<Celu>, 1, 1, 1, "alpha:f"},
      {"Selu", "", 6, kNewestOpset, infer_same_float, run_float<Selu>, 1, 1, 1, "alpha:f gamma:f"},
      {"Mish", "", 18, kNewestOpset, infer_same_float, run_float<Mish>, 1, 1},
      {"Swish", "", 24, kNewestOpset, infer_same_float, run_float<Swish>, 1, 1, 1, "alpha:f"},
      {"Softsign", "", 1, kNewestOpset, infer_same_float, run_float<Softsign>, 1, 1},
      {"ThresholdedRelu", "", 10, kNewestOpset, infer_same_float, run_float<ThresholdedRelu>, 1, 1, 1,
       "alpha:f"},
      {"Shrink", "", 9, kNewestOpset, infer_shrink, run_number<Shrink>, 1, 1, 1, "bias:f lambd:f"},
      {"PRelu", "", 7, kNewestOpset, infer_prelu, run_prelu, 2, 2},
  };
  return rows;
}

}  // namespace edgeclip::engine
