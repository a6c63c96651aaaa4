#include <cmath>
#include <type_traits>

#include "engine/ops/elementwise.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Operators of one tensor, element by element.  Transcendental ones are computed in the element's own type.
namespace edgeclip::engine {

namespace {

/// A float-to-bool test.
template <class F>
void run_test(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    bool* y = outputs[0].as<bool>();
    const F f(node);
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) y[i] = f(x[i]);
  });
}

#define EDGECLIP_UNARY(NAME, EXPRESSION) \
  struct NAME {                          \
    explicit NAME(const Node&) {}        \
    template <class T>                   \
    T operator()(T x) const {            \
      return static_cast<T>(EXPRESSION); \
    }                                    \
  }

/// x as an unsigned or floating type, so that negation never overflows.
template <class T>
auto wrap(T x) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<std::make_unsigned_t<T>>(x);
  else
    return x;
}

EDGECLIP_UNARY(Sqrt, std::sqrt(x));
EDGECLIP_UNARY(Exp, std::exp(x));
EDGECLIP_UNARY(Log, std::log(x));
EDGECLIP_UNARY(Reciprocal, T(1) / x);
EDGECLIP_UNARY(Erf, std::erf(x));
EDGECLIP_UNARY(Tanh, std::tanh(x));
EDGECLIP_UNARY(Sin, std::sin(x));
EDGECLIP_UNARY(Cos, std::cos(x));
EDGECLIP_UNARY(Tan, std::tan(x));
EDGECLIP_UNARY(Asin, std::asin(x));
EDGECLIP_UNARY(Acos, std::acos(x));
EDGECLIP_UNARY(Atan, std::atan(x));
EDGECLIP_UNARY(Sinh, std::sinh(x));
EDGECLIP_UNARY(Cosh, std::cosh(x));
EDGECLIP_UNARY(Asinh, std::asinh(x));
EDGECLIP_UNARY(Acosh, std::acosh(x));
EDGECLIP_UNARY(Atanh, std::atanh(x));
EDGECLIP_UNARY(Floor, std::floor(x));
EDGECLIP_UNARY(Ceil, std::ceil(x));
EDGECLIP_UNARY(Round, std::nearbyint(x));  // halves to even, the default rounding mode
EDGECLIP_UNARY(Sigmoid, T(1) / (T(1) + std::exp(-x)));
EDGECLIP_UNARY(Softplus, x > T(0) ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)));
EDGECLIP_UNARY(Relu, x < T(0) ? T(0) : x);
EDGECLIP_UNARY(Abs, x < T(0) ? 0 - wrap(x) : wrap(x));
EDGECLIP_UNARY(Neg, 0 - wrap(x));
EDGECLIP_UNARY(Sign, T(T(0) < x) - T(x < T(0)));
EDGECLIP_UNARY(HardSwish, x* std::fmax(T(0), std::fmin(T(1), x / T(6) + T(0.5))));
#undef EDGECLIP_UNARY

struct LeakyRelu {
  explicit LeakyRelu(const Node& node) : alpha(node.float_or("alpha", 0.01F)) {}
  template <class T>
  T operator()(T x) const {
    return x < T(0) ? T(alpha) * x : x;
  }
  float alpha;
};

struct Elu {
  explicit Elu(const Node& node) : alpha(node.float_or("alpha", 1.0F)) {}
  template <class T>
  T operator()(T x) const {
    return x < T(0) ? T(alpha) * std::expm1(x) : x;
  }
  float alpha;
};

struct HardSigmoid {
  explicit HardSigmoid(const Node& node)
      : alpha(node.float_or("alpha", 0.2F)), beta(node.float_or("beta", 0.5F)) {}
  template <class T>
  T operator()(T x) const {
    return std::fmax(T(0), std::fmin(T(1), T(alpha) * x + T(beta)));
  }
  float alpha, beta;
};

struct IsNaN {
  explicit IsNaN(const Node&) {}
  template <class T>
  bool operator()(T x) const {
    return std::isnan(x);
  }
};

struct IsInf {
  explicit IsInf(const Node& node)
      : positive(node.int_or("detect_positive", 1)), negative(node.int_or("detect_negative", 1)) {}
  template <class T>
  bool operator()(T x) const {
    return std::isinf(x) && (x > T(0) ? positive : negative) != 0;
  }
  std::int64_t positive, negative;
};

void infer_number(ShapeContext& context) {
  if (!is_float(context.inputs[0].dtype) && !is_integer(context.inputs[0].dtype))
    refuse(context.node, "needs numbers, not {}", dtype_name(context.inputs[0].dtype));
  infer_same(context);
}

void infer_test(ShapeContext& context) {
  require_float(context, 0);
  add_output(context, DType::boolean, context.inputs[0].shape);
}

void infer_not(ShapeContext& context) {
  if (context.inputs[0].dtype != DType::boolean)
    refuse(context.node, "needs bool, not {}", dtype_name(context.inputs[0].dtype));
  infer_same(context);
}

void run_not(const Node&, const Inputs& inputs, const Outputs& outputs) {
  const bool* x = inputs[0].as<bool>();
  bool* y = outputs[0].as<bool>();
  for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) y[i] = !x[i];
}

}  // namespace

const std::vector<Operator>& unary_operators() {
  static const std::vector<Operator> rows = {
      {"Sqrt", "", 6, kNewestOpset, infer_same_float, run_float<Sqrt>, 1, 1},
      {"Exp", "", 6, kNewestOpset, infer_same_float, run_float<Exp>, 1, 1},
      {"Log", "", 6, kNewestOpset, infer_same_float, run_float<Log>, 1, 1},
      {"Reciprocal", "", 6, kNewestOpset, infer_same_float, run_float<Reciprocal>, 1, 1},
      {"Erf", "", 9, kNewestOpset, infer_same_float, run_float<Erf>, 1, 1},
      {"Tanh", "", 6, kNewestOpset, infer_same_float, run_float<Tanh>, 1, 1},
      {"Sin", "", 7, kNewestOpset, infer_same_float, run_float<Sin>, 1, 1},
      {"Cos", "", 7, kNewestOpset, infer_same_float, run_float<Cos>, 1, 1},
      {"Tan", "", 7, kNewestOpset, infer_same_float, run_float<Tan>, 1, 1},
      {"Asin", "", 7, kNewestOpset, infer_same_float, run_float<Asin>, 1, 1},
      {"Acos", "", 7, kNewestOpset, infer_same_float, run_float<Acos>, 1, 1},
      {"Atan", "", 7, kNewestOpset, infer_same_float, run_float<Atan>, 1, 1},
      {"Sinh", "", 9, kNewestOpset, infer_same_float, run_float<Sinh>, 1, 1},
      {"Cosh", "", 9, kNewestOpset, infer_same_float, run_float<Cosh>, 1, 1},
      {"Asinh", "", 9, kNewestOpset, infer_same_float, run_float<Asinh>, 1, 1},
      {"Acosh", "", 9, kNewestOpset, infer_same_float, run_float<Acosh>, 1, 1},
      {"Atanh", "", 9, kNewestOpset, infer_same_float, run_float<Atanh>, 1, 1},
      {"Floor", "", 6, kNewestOpset, infer_same_float, run_float<Floor>, 1, 1},
      {"Ceil", "", 6, kNewestOpset, infer_same_float, run_float<Ceil>, 1, 1},
      {"Round", "", 11, kNewestOpset, infer_same_float, run_float<Round>, 1, 1},
      {"Sigmoid", "", 6, kNewestOpset, infer_same_float, run_float<Sigmoid>, 1, 1},
      {"Softplus", "", 1, kNewestOpset, infer_same_float, run_float<Softplus>, 1, 1},
      {"HardSwish", "", 14, kNewestOpset, infer_same_float, run_float<HardSwish>, 1, 1},
      {"HardSigmoid", "", 6, kNewestOpset, infer_same_float, run_float<HardSigmoid>, 1, 1, 1,
       "alpha:f beta:f"},
      {"LeakyRelu", "", 6, kNewestOpset, infer_same_float, run_float<LeakyRelu>, 1, 1, 1, "alpha:f"},
      {"Elu", "", 6, kNewestOpset, infer_same_float, run_float<Elu>, 1, 1, 1, "alpha:f"},
      {"Relu", "", 6, kNewestOpset, infer_number, run_number<Relu>, 1, 1},
      {"Abs", "", 6, kNewestOpset, infer_number, run_number<Abs>, 1, 1},
      {"Neg", "", 6, kNewestOpset, infer_number, run_number<Neg>, 1, 1},
      {"Sign", "", 9, kNewestOpset, infer_number, run_number<Sign>, 1, 1},
      {"Not", "", 1, kNewestOpset, infer_not, run_not, 1, 1},
      {"IsNaN", "", 9, kNewestOpset, infer_test, run_test<IsNaN>, 1, 1},
      {"IsInf", "", 10, kNewestOpset, infer_test, run_test<IsInf>, 1, 1, 1,
       "detect_positive:i detect_negative:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
