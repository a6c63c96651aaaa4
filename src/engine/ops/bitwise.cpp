#include <type_traits>

#include "engine/ops/elementwise.h"
#include "engine/ops/families.h"

/// Operators on the bits of integers, with NumPy's broadcasting.
namespace edgeclip::engine {

namespace {

void require_integers(const ShapeContext& context) {
  const DType dtype = context.inputs[0].dtype;
  if (!is_integer(dtype)) refuse(context.node, "needs integers, not {}", dtype_name(dtype));
}

void infer_bitwise(ShapeContext& context) {
  require_integers(context);
  require_same_dtype(context, 0, 1);
  add_output(context, context.inputs[0].dtype,
             broadcast_shapes(context.node, context.inputs[0].shape, context.inputs[1].shape));
}

void infer_bitwise_not(ShapeContext& context) {
  require_integers(context);
  infer_same(context);
}

void infer_bit_shift(ShapeContext& context) {
  const Node& node = context.node;
  const std::string direction = node.string_or("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") refuse(node, "direction is '{}'", printable(direction));
  infer_bitwise(context);
  const DType dtype = context.inputs[0].dtype;
  const bool is_signed =
      dtype == DType::i8 || dtype == DType::i16 || dtype == DType::i32 || dtype == DType::i64;
  if (is_signed && node.opset < 28) refuse(node, "shifts unsigned integers only before opset 28");
}

struct BitAnd {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct BitOr {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct BitXor {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};

template <class F>
void run_bitwise(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_integer(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    broadcast_binary<T, T, T>(inputs[0], inputs[1], outputs[0], [](T a, T b) { return F::of(a, b); });
  });
}

void run_bitwise_not(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_integer(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) y[i] = static_cast<T>(~x[i]);
  });
}

/// Opset 28 says what older ones left open: by a negative number of bits or by all of them, only the
/// extension of the sign is left (-1 for a negative value to the right, 0 else).
template <class T>
T shifted(T x, T by, bool left) {
  constexpr auto kBits = static_cast<int>(sizeof(T) * 8);
  if (by < T(0) || static_cast<std::uint64_t>(by) >= static_cast<std::uint64_t>(kBits))
    return !left && x < T(0) ? static_cast<T>(-1) : T(0);
  const auto count = static_cast<int>(by);
  if (left) return static_cast<T>(static_cast<std::uint64_t>(x) << count);
  return static_cast<T>(x >> count);  // arithmetic for signed types
}

void run_bit_shift(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const bool left = node.string_or("direction", "") == "LEFT";
  visit_integer(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    broadcast_binary<T, T, T>(inputs[0], inputs[1], outputs[0],
                              [&](T x, T by) { return shifted(x, by, left); });
  });
}

}  // namespace

const std::vector<Operator>& bitwise_operators() {
  static const std::vector<Operator> rows = {
      {"BitwiseAnd", "", 18, kNewestOpset, infer_bitwise, run_bitwise<BitAnd>, 2, 2},
      {"BitwiseOr", "", 18, kNewestOpset, infer_bitwise, run_bitwise<BitOr>, 2, 2},
      {"BitwiseXor", "", 18, kNewestOpset, infer_bitwise, run_bitwise<BitXor>, 2, 2},
      {"BitwiseNot", "", 18, kNewestOpset, infer_bitwise_not, run_bitwise_not, 1, 1},
      {"BitShift", "", 11, kNewestOpset, infer_bit_shift, run_bit_shift, 2, 2, 1, "direction:s!"},
  };
  return rows;
}

}  // namespace edgeclip::engine
