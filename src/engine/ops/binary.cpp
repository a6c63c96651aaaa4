#include <cmath>
#include <limits>
#include <type_traits>

#include "engine/ops/elementwise.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Operators of two and more tensors, element by element, with NumPy's broadcasting.
namespace edgeclip::engine {

namespace {

/// Integer arithmetic wraps around, as in NumPy, without C++'s undefined overflow (small types first become
/// 64 bits wide).
#define EDGECLIP_ARITHMETIC(NAME, OP)                                                          \
  struct NAME {                                                                                \
    template <class T>                                                                         \
    static T of(const Node&, T a, T b) {                                                       \
      if constexpr (std::is_integral_v<T>)                                                     \
        return static_cast<T>(static_cast<std::uint64_t>(a) OP static_cast<std::uint64_t>(b)); \
      else                                                                                     \
        return a OP b;                                                                         \
    }                                                                                          \
  }
EDGECLIP_ARITHMETIC(Add, +);
EDGECLIP_ARITHMETIC(Sub, -);
EDGECLIP_ARITHMETIC(Mul, *);
#undef EDGECLIP_ARITHMETIC

struct Div {
  template <class T>
  static T of(const Node& node, T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) refuse(node, "integer division by zero");
      if constexpr (std::is_signed_v<T>)
        if (b == T(-1)) return Sub::of(node, T(0), a);
    }
    return static_cast<T>(a / b);
  }
};

struct Mod {
  template <class T>
  static T of(const Node& node, T a, T b) {
    const bool fmod = node.int_or("fmod", 0) != 0;
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) refuse(node, "integer division by zero");
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return 0;
        const T r = static_cast<T>(a % b);
        return !fmod && r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
      }
      return static_cast<T>(a % b);
    } else {
      const T r = std::fmod(a, b);
      return !fmod && r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
  }
};

struct Max {
  template <class T>
  static T of(const Node&, T a, T b) {
    return a > b || a != a ? a : b;
  }  // a NaN wins
};
struct Min {
  template <class T>
  static T of(const Node&, T a, T b) {
    return a < b || a != a ? a : b;
  }
};

/// x to the power of y, computed in double; an integer base gives the truncated result, saturated to its
/// type.
template <class T, class E>
T power(T x, E y) {
  if constexpr (std::is_integral_v<T> && std::is_integral_v<E>) {
    if (y >= 0) {
      std::uint64_t result = 1, base = static_cast<std::uint64_t>(x);
      for (auto e = static_cast<std::uint64_t>(y); e; e >>= 1, base *= base)
        if (e & 1) result *= base;
      return static_cast<T>(result);
    }
  }
  if constexpr (std::is_floating_point_v<T>) {
    if (y == E(2)) return x * x;
    if constexpr (std::is_same_v<T, float>) return static_cast<T>(std::pow(x, static_cast<float>(y)));
    return static_cast<T>(std::pow(static_cast<double>(x), static_cast<double>(y)));
  } else {
    const double r = std::pow(static_cast<double>(x), static_cast<double>(y));
    if (!(r > static_cast<double>(std::numeric_limits<T>::lowest())))
      return r != r ? T(0) : std::numeric_limits<T>::lowest();
    return r >= static_cast<double>(std::numeric_limits<T>::max()) ? std::numeric_limits<T>::max()
                                                                   : static_cast<T>(r);
  }
}

void infer_arithmetic(ShapeContext& context) {
  require_same_dtype(context, 0, 1);
  const DType dtype = context.inputs[0].dtype;
  if (!is_float(dtype) && !is_integer(dtype)) unsupported_type(context.node, dtype);
  add_output(context, dtype,
             broadcast_shapes(context.node, context.inputs[0].shape, context.inputs[1].shape));
}

template <class F>
void run_arithmetic(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    broadcast_binary<T, T, T>(inputs[0], inputs[1], outputs[0], [&](T a, T b) { return F::of(node, a, b); });
  });
}

void infer_power(ShapeContext& context) {
  for (const auto& input : context.inputs)
    if (!is_float(input.dtype) && !is_integer(input.dtype)) unsupported_type(context.node, input.dtype);
  add_output(context, context.inputs[0].dtype,
             broadcast_shapes(context.node, context.inputs[0].shape, context.inputs[1].shape));
}

void run_power(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_number(node, inputs[0].dtype, [&](auto base) {
    visit_number(node, inputs[1].dtype, [&](auto exponent) {
      using T = decltype(base);
      using E = decltype(exponent);
      broadcast_binary<T, E, T>(inputs[0], inputs[1], outputs[0], [](T a, E b) { return power(a, b); });
    });
  });
}

/// Before opset 7 there is no broadcasting unless `broadcast` is set; then b's dimensions lie in a's from
/// `axis` on.  Only where that is NumPy's rule as well (b at the end of a) is it there.
void check_old_broadcast(const ShapeContext& context) {
  const Node& node = context.node;
  const Shape &a = context.inputs[0].shape, &b = context.inputs[1].shape;
  if (node.int_or("broadcast", 0) == 0) {
    if (a != b) refuse(node, "{} and {} differ, and it does not broadcast", shape_string(a), shape_string(b));
    return;
  }
  if (!broadcasts_to(b, a)) refuse(node, "{} does not broadcast to {}", shape_string(b), shape_string(a));
  const auto from = static_cast<std::int64_t>(a.size() - b.size());
  if (node.has("axis") && node.int_or("axis", 0) != from && num_elements(b) != 1)
    unsupported(node, "broadcast at axis {} of {} is not there", node.int_or("axis", 0), shape_string(a));
}

template <void (*kInfer)(ShapeContext&)>
void infer_old_binary(ShapeContext& context) {
  check_old_broadcast(context);
  kInfer(context);
}

template <class F>
void infer_comparison(ShapeContext& context) {
  require_same_dtype(context, 0, 1);
  const DType dtype = context.inputs[0].dtype;
  if (!is_float(dtype) && !is_integer(dtype) && !(F::kBool && dtype == DType::boolean))
    unsupported_type(context.node, dtype);
  add_output(context, DType::boolean,
             broadcast_shapes(context.node, context.inputs[0].shape, context.inputs[1].shape));
}

template <class F>
void run_comparison(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_number_or_bool(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    broadcast_binary<T, T, bool>(inputs[0], inputs[1], outputs[0], [](T a, T b) { return F::of(a, b); });
  });
}

#define EDGECLIP_COMPARISON(NAME, OP, BOOL) \
  struct NAME {                             \
    static constexpr bool kBool = BOOL;     \
    template <class T>                      \
    static bool of(T a, T b) {              \
      return a OP b;                        \
    }                                       \
  }
EDGECLIP_COMPARISON(Equal, ==, true);
EDGECLIP_COMPARISON(Less, <, false);
EDGECLIP_COMPARISON(LessOrEqual, <=, false);
EDGECLIP_COMPARISON(Greater, >, false);
EDGECLIP_COMPARISON(GreaterOrEqual, >=, false);
EDGECLIP_COMPARISON(And, &&, true);
EDGECLIP_COMPARISON(Or, ||, true);
EDGECLIP_COMPARISON(Xor, !=, true);
#undef EDGECLIP_COMPARISON

void infer_logical(ShapeContext& context) {
  for (const auto& input : context.inputs)
    if (input.dtype != DType::boolean) refuse(context.node, "needs bool, not {}", dtype_name(input.dtype));
  add_output(context, DType::boolean,
             broadcast_shapes(context.node, context.inputs[0].shape, context.inputs[1].shape));
}

template <class F>
void run_logical(const Node&, const Inputs& inputs, const Outputs& outputs) {
  broadcast_binary<bool, bool, bool>(inputs[0], inputs[1], outputs[0],
                                     [](bool a, bool b) { return F::of(a, b); });
}

/// Max, Min, Sum, Mean of any number of tensors.
void infer_variadic(ShapeContext& context) {
  Shape shape = context.inputs[0].shape;
  for (std::size_t i = 1; i < context.inputs.size(); ++i) {
    require_same_dtype(context, 0, i);
    shape = broadcast_shapes(context.node, shape, context.inputs[i].shape);
  }
  if (!is_float(context.inputs[0].dtype) && !is_integer(context.inputs[0].dtype))
    unsupported_type(context.node, context.inputs[0].dtype);
  add_output(context, context.inputs[0].dtype, shape);
}

template <class F, bool kMean = false>
void run_variadic(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T nothing = T(0);
    const TensorView zero{inputs[0].dtype, {}, reinterpret_cast<const std::byte*>(&nothing)};
    broadcast_binary<T, T, T>(inputs[0], zero, outputs[0], [](T a, T) { return a; });
    for (std::size_t i = 1; i < inputs.size(); ++i)
      broadcast_binary<T, T, T>(outputs[0].view(), inputs[i], outputs[0],
                                [&](T a, T b) { return F::of(node, a, b); });
    if constexpr (kMean) {
      T* y = outputs[0].as<T>();
      for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i)
        y[i] = static_cast<T>(y[i] / static_cast<T>(inputs.size()));
    }
  });
}

/// Before opset 8 without broadcasting.
void infer_old_variadic(ShapeContext& context) {
  for (const TensorView& input : context.inputs)
    if (input.shape != context.inputs[0].shape)
      refuse(context.node, "{} and {} differ, and it does not broadcast",
             shape_string(context.inputs[0].shape), shape_string(input.shape));
  infer_variadic(context);
}

void infer_clip(ShapeContext& context) {
  for (std::size_t i = 1; i < 3; ++i) {
    if (!context.node.has_input(i)) continue;
    require_same_dtype(context, 0, i);
    if (num_elements(context.inputs[i].shape) != 1) refuse(context.node, "its bounds must be scalars");
  }
  if (!is_float(context.inputs[0].dtype) && !is_integer(context.inputs[0].dtype))
    unsupported_type(context.node, context.inputs[0].dtype);
  infer_same(context);
}

void run_clip(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    T low = std::numeric_limits<T>::lowest(), high = std::numeric_limits<T>::max();
    if constexpr (std::is_floating_point_v<T>) {
      low = static_cast<T>(node.float_or("min", -std::numeric_limits<float>::infinity()));
      high = static_cast<T>(node.float_or("max", std::numeric_limits<float>::infinity()));
    }
    if (node.has_input(1)) low = *inputs[1].as<T>();
    if (node.has_input(2)) high = *inputs[2].as<T>();
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) {
      const T v = x[i] < low ? low : x[i];
      y[i] = v > high ? high : v;
    }
  });
}

void infer_where(ShapeContext& context) {
  require_same_dtype(context, 1, 2);
  if (context.inputs[0].dtype != DType::boolean)
    refuse(context.node, "its condition must be bool, not {}", dtype_name(context.inputs[0].dtype));
  const Shape values = broadcast_shapes(context.node, context.inputs[1].shape, context.inputs[2].shape);
  add_output(context, context.inputs[1].dtype,
             broadcast_shapes(context.node, context.inputs[0].shape, values));
}

void run_where(const Node&, const Inputs& inputs, const Outputs& outputs) {
  visit_storage(inputs[1].dtype, [&](auto type) {
    using T = decltype(type);
    const bool* condition = inputs[0].as<bool>();
    const T *x = storage<T>(inputs[1]), *z = storage<T>(inputs[2]);
    T* y = storage<T>(outputs[0]);
    const Shape& out = outputs[0].shape;
    const Shape strides[3] = {broadcast_strides(inputs[0].shape, out),
                              broadcast_strides(inputs[1].shape, out),
                              broadcast_strides(inputs[2].shape, out)};
    for_each_row(out, strides, [&](const std::int64_t* offsets, std::int64_t n, const std::int64_t* steps) {
      for (std::int64_t i = 0; i < n; ++i)
        *y++ = condition[offsets[0] + i * steps[0]] ? x[offsets[1] + i * steps[1]]
                                                    : z[offsets[2] + i * steps[2]];
    });
  });
}

}  // namespace

const std::vector<Operator>& binary_operators() {
  constexpr int kMany = Operator::kAnyNumber;
  constexpr const char* kOldBroadcast = "axis:i broadcast:i";
  static const std::vector<Operator> rows = {
      {"Add", "", 6, 6, infer_old_binary<infer_arithmetic>, run_arithmetic<Add>, 2, 2, 1, kOldBroadcast},
      {"Add", "", 7, kNewestOpset, infer_arithmetic, run_arithmetic<Add>, 2, 2},
      {"Sub", "", 6, 6, infer_old_binary<infer_arithmetic>, run_arithmetic<Sub>, 2, 2, 1, kOldBroadcast},
      {"Sub", "", 7, kNewestOpset, infer_arithmetic, run_arithmetic<Sub>, 2, 2},
      {"Mul", "", 6, 6, infer_old_binary<infer_arithmetic>, run_arithmetic<Mul>, 2, 2, 1, kOldBroadcast},
      {"Mul", "", 7, kNewestOpset, infer_arithmetic, run_arithmetic<Mul>, 2, 2},
      {"Div", "", 6, 6, infer_old_binary<infer_arithmetic>, run_arithmetic<Div>, 2, 2, 1, kOldBroadcast},
      {"Div", "", 7, kNewestOpset, infer_arithmetic, run_arithmetic<Div>, 2, 2},
      {"Mod", "", 10, kNewestOpset, infer_arithmetic, run_arithmetic<Mod>, 2, 2, 1, "fmod:i"},
      {"Pow", "", 1, 6, infer_old_binary<infer_power>, run_power, 2, 2, 1, kOldBroadcast},
      {"Pow", "", 7, kNewestOpset, infer_power, run_power, 2, 2},
      {"Equal", "", 1, 6, infer_old_binary<infer_comparison<Equal>>, run_comparison<Equal>, 2, 2, 1,
       kOldBroadcast},
      {"Equal", "", 7, kNewestOpset, infer_comparison<Equal>, run_comparison<Equal>, 2, 2},
      {"Less", "", 1, 6, infer_old_binary<infer_comparison<Less>>, run_comparison<Less>, 2, 2, 1,
       kOldBroadcast},
      {"Less", "", 7, kNewestOpset, infer_comparison<Less>, run_comparison<Less>, 2, 2},
      {"LessOrEqual", "", 12, kNewestOpset, infer_comparison<LessOrEqual>, run_comparison<LessOrEqual>, 2, 2},
      {"Greater", "", 1, 6, infer_old_binary<infer_comparison<Greater>>, run_comparison<Greater>, 2, 2, 1,
       kOldBroadcast},
      {"Greater", "", 7, kNewestOpset, infer_comparison<Greater>, run_comparison<Greater>, 2, 2},
      {"GreaterOrEqual", "", 12, kNewestOpset, infer_comparison<GreaterOrEqual>,
       run_comparison<GreaterOrEqual>, 2, 2},
      {"And", "", 1, 6, infer_old_binary<infer_logical>, run_logical<And>, 2, 2, 1, kOldBroadcast},
      {"And", "", 7, kNewestOpset, infer_logical, run_logical<And>, 2, 2},
      {"Or", "", 1, 6, infer_old_binary<infer_logical>, run_logical<Or>, 2, 2, 1, kOldBroadcast},
      {"Or", "", 7, kNewestOpset, infer_logical, run_logical<Or>, 2, 2},
      {"Xor", "", 1, 6, infer_old_binary<infer_logical>, run_logical<Xor>, 2, 2, 1, kOldBroadcast},
      {"Xor", "", 7, kNewestOpset, infer_logical, run_logical<Xor>, 2, 2},
      {"Max", "", 6, 7, infer_old_variadic, run_variadic<Max>, 1, kMany},
      {"Max", "", 8, kNewestOpset, infer_variadic, run_variadic<Max>, 1, kMany},
      {"Min", "", 6, 7, infer_old_variadic, run_variadic<Min>, 1, kMany},
      {"Min", "", 8, kNewestOpset, infer_variadic, run_variadic<Min>, 1, kMany},
      {"Sum", "", 6, 7, infer_old_variadic, run_variadic<Add>, 1, kMany},
      {"Sum", "", 8, kNewestOpset, infer_variadic, run_variadic<Add>, 1, kMany},
      {"Mean", "", 6, 7, infer_old_variadic, run_variadic<Add, true>, 1, kMany},
      {"Mean", "", 8, kNewestOpset, infer_variadic, run_variadic<Add, true>, 1, kMany},
      {"Clip", "", 6, 10, infer_clip, run_clip, 1, 1, 1, "min:f max:f"},
      {"Clip", "", 11, kNewestOpset, infer_clip, run_clip, 1, 3},
      // moves elements: takes_16_bit_floats
      {"Where", "", 9, kNewestOpset, infer_where, run_where, 3, 3, 1, "", false, true},
  };
  return rows;
}

}  // namespace edgeclip::engine
