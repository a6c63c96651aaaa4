#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Reductions over axes, ArgMax and ArgMin, CumSum and CumProd.  Sums of float32 are kept in double: they are
/// the oracle of faster ones.
namespace edgeclip::engine {

namespace {

/// Which axes go: all if none are given, unless noop_with_empty_axes says that this means none.
std::vector<bool> reduced_axes(const Node& node, std::size_t rank, const std::vector<std::int64_t>& axes) {
  const bool all = axes.empty() && node.int_or("noop_with_empty_axes", 0) == 0;
  std::vector<bool> reduced(rank, all);
  for (const std::size_t a : normalize_axes(node, axes, rank)) reduced[a] = true;
  return reduced;
}

template <class F>
void infer_reduce(ShapeContext& context) {
  const TensorView& x = context.inputs[0];
  if (!is_float(x.dtype) && !(is_integer(x.dtype) && F::kInteger) && !(x.dtype == DType::boolean && F::kBool))
    unsupported_type(context.node, x.dtype);
  const auto reduced =
      reduced_axes(context.node, x.shape.size(), ints_attribute_or_input(context, "axes", 1, {}));
  const bool keep = context.node.int_or("keepdims", 1) != 0;
  Shape shape;
  for (std::size_t d = 0; d < reduced.size(); ++d) {
    if (!reduced[d])
      shape.push_back(x.shape[d]);
    else if (keep)
      shape.push_back(1);
  }
  add_output(context, x.dtype, shape);
}

/// Accumulator: double for floats, 64 bits for integers.
template <class T>
using Wide = std::conditional_t<
    std::is_floating_point_v<T>, double,
    std::conditional_t<std::is_signed_v<T> || std::is_same_v<T, bool>, std::int64_t, std::uint64_t>>;

template <class T>
struct Lowest {
  static T value() {
    if constexpr (std::is_floating_point_v<T>) return -std::numeric_limits<T>::infinity();
    return std::numeric_limits<T>::lowest();
  }
};
template <class T>
struct Highest {
  static T value() {
    if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::infinity();
    return std::numeric_limits<T>::max();
  }
};

/// Integer sums and products wrap around (computed unsigned, where C++ defines it).
template <class W>
W wrapping_add(W a, W b) {
  if constexpr (std::is_integral_v<W>)
    return static_cast<W>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  else
    return a + b;
}
template <class W>
W wrapping_multiply(W a, W b) {
  if constexpr (std::is_integral_v<W>)
    return static_cast<W>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  else
    return a * b;
}

/// A reduction: where it starts, how an element joins, what it is at the end (n elements).
struct ReduceSum {
  static constexpr bool kInteger = true, kBool = false;
  template <class T>
  static Wide<T> start() {
    return 0;
  }
  template <class W>
  static W join(W sum, W x) {
    return wrapping_add(sum, x);
  }
  template <class W>
  static W finish(W sum, std::int64_t) {
    return sum;
  }
};
struct ReduceMean : ReduceSum {
  template <class W>
  static W finish(W sum, std::int64_t n) {
    if constexpr (std::is_integral_v<W>)
      if (n == 0) return 0;
    return static_cast<W>(sum / static_cast<W>(n));
  }
};
struct ReduceL1 : ReduceSum {
  template <class W>
  static W join(W sum, W x) {
    return wrapping_add(sum, x < W(0) ? wrapping_add(W(0), wrapping_multiply(x, W(-1))) : x);
  }
};
struct ReduceSumSquare : ReduceSum {
  template <class W>
  static W join(W sum, W x) {
    return wrapping_add(sum, wrapping_multiply(x, x));
  }
};
struct ReduceL2 : ReduceSumSquare {
  template <class W>
  static W finish(W sum, std::int64_t) {
    return static_cast<W>(std::sqrt(static_cast<double>(sum)));
  }
};
struct ReduceLogSum : ReduceSum {
  static constexpr bool kInteger = false;
  template <class W>
  static W finish(W sum, std::int64_t) {
    return static_cast<W>(std::log(static_cast<double>(sum)));
  }
};
struct ReduceProd {
  static constexpr bool kInteger = true, kBool = false;
  template <class T>
  static Wide<T> start() {
    return 1;
  }
  template <class W>
  static W join(W p, W x) {
    return wrapping_multiply(p, x);
  }
  template <class W>
  static W finish(W p, std::int64_t) {
    return p;
  }
};
struct ReduceMax {
  static constexpr bool kInteger = true, kBool = true;
  template <class T>
  static Wide<T> start() {
    return static_cast<Wide<T>>(Lowest<T>::value());
  }
  template <class W>
  static W join(W m, W x) {
    return x > m || x != x ? x : m;
  }
  template <class W>
  static W finish(W m, std::int64_t) {
    return m;
  }
};
struct ReduceMin {
  static constexpr bool kInteger = true, kBool = true;
  template <class T>
  static Wide<T> start() {
    return static_cast<Wide<T>>(Highest<T>::value());
  }
  template <class W>
  static W join(W m, W x) {
    return x < m || x != x ? x : m;
  }
  template <class W>
  static W finish(W m, std::int64_t) {
    return m;
  }
};

/// Every element's place in the output: strides of the output along the axes that stay, 0 along those that
/// go.
Shape reduced_strides(const Node& node, const Inputs& inputs) {
  const Shape& shape = inputs[0].shape;
  const auto reduced = reduced_axes(node, shape.size(), ints_attribute_or_input(node, inputs, "axes", 1, {}));
  Shape kept = shape;
  for (std::size_t d = 0; d < kept.size(); ++d)
    if (reduced[d]) kept[d] = 1;
  return broadcast_strides(kept, shape);
}

template <class F>
void run_reduce(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const Shape strides[1] = {reduced_strides(node, inputs)};
  visit_number_or_bool(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    using W = Wide<T>;
    const auto count = static_cast<std::size_t>(outputs[0].elements());
    std::vector<W> sums(count, F::template start<T>());
    const T* x = inputs[0].as<T>();
    for_each_row(shape, strides, [&](const std::int64_t* offsets, std::int64_t n, const std::int64_t* steps) {
      W* sum = sums.data() + offsets[0];
      for (std::int64_t i = 0; i < n; ++i)
        sum[i * steps[0]] = F::join(sum[i * steps[0]], static_cast<W>(x[i]));
      x += n;
    });
    const std::int64_t per_output = count ? inputs[0].elements() / static_cast<std::int64_t>(count) : 0;
    T* y = outputs[0].as<T>();
    for (std::size_t i = 0; i < count; ++i) y[i] = static_cast<T>(F::finish(sums[i], per_output));
  });
}

/// log(sum(e^x)) as m + log(sum(e^(x - m))) with m the largest x, so that nothing overflows; -inf of nothing.
void run_log_sum_exp(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Shape& shape = inputs[0].shape;
  const Shape strides[1] = {reduced_strides(node, inputs)};
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    std::vector<double> most(static_cast<std::size_t>(outputs[0].elements()), -kInfinity),
        sums(most.size(), 0);
    const auto for_each = [&](auto visit) {
      const T* x = inputs[0].as<T>();
      for_each_row(shape, strides,
                   [&](const std::int64_t* offsets, std::int64_t n, const std::int64_t* steps) {
                     for (std::int64_t i = 0; i < n; ++i)
                       visit(static_cast<std::size_t>(offsets[0] + i * steps[0]), static_cast<double>(*x++));
                   });
    };
    for_each([&](std::size_t at, double x) { most[at] = ReduceMax::join(most[at], x); });
    // An infinite m would make x - m a NaN; e^x itself is right there.
    for (double& m : most)
      if (std::isinf(m)) m = 0;
    for_each([&](std::size_t at, double x) { sums[at] += std::exp(x - most[at]); });
    T* y = outputs[0].as<T>();
    for (std::size_t i = 0; i < sums.size(); ++i) y[i] = static_cast<T>(most[i] + std::log(sums[i]));
  });
}

void infer_arg(ShapeContext& context) {
  Shape shape = context.inputs[0].shape;
  const std::size_t axis = normalize_axis(context.node, context.node.int_or("axis", 0), shape.size());
  if (!is_float(context.inputs[0].dtype) && !is_integer(context.inputs[0].dtype))
    unsupported_type(context.node, context.inputs[0].dtype);
  if (shape[axis] == 0) refuse(context.node, "has nothing to choose from in {}", shape_string(shape));
  if (context.node.int_or("keepdims", 1) != 0)
    shape[axis] = 1;
  else
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  add_output(context, DType::i64, shape);
}

template <bool kMax>
void run_arg(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), shape.size());
  const bool last = node.int_or("select_last_index", 0) != 0;
  const std::int64_t outer = product(shape, 0, axis), n = shape[axis],
                     inner = product(shape, axis + 1, shape.size());
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    std::int64_t* y = outputs[0].as<std::int64_t>();
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) {
        const T* values = x + o * n * inner + i;
        std::int64_t best = 0;
        for (std::int64_t k = 1; k < n; ++k) {
          const T a = values[k * inner], b = values[best * inner];
          if ((kMax ? a > b : a < b) || (last && a == b)) best = k;
        }
        *y++ = best;
      }
    }
  });
}

void infer_cumulative(ShapeContext& context) {
  const DType dtype = context.inputs[0].dtype;
  if (!is_float(dtype) && !is_integer(dtype)) unsupported_type(context.node, dtype);
  if (num_elements(context.inputs[1].shape) != 1) refuse(context.node, "axis must be a scalar");
  if (context.inputs[1].dtype != DType::i32 && context.inputs[1].dtype != DType::i64)
    refuse(context.node, "axis must be int32 or int64");
  if (context.inputs[1].data)
    normalize_axis(context.node, int_values(context.node, context.inputs[1])[0],
                   context.inputs[0].shape.size());
  infer_same(context);
}

struct RunningSum {
  static constexpr int kStart = 0;
  template <class W>
  static W join(W a, W b) {
    return wrapping_add(a, b);
  }
};
struct RunningProduct {
  static constexpr int kStart = 1;
  template <class W>
  static W join(W a, W b) {
    return wrapping_multiply(a, b);
  }
};

template <class F>
void run_cumulative(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::size_t axis = normalize_axis(node, int_values(node, inputs[1])[0], shape.size());
  const bool exclusive = node.int_or("exclusive", 0) != 0, reverse = node.int_or("reverse", 0) != 0;
  const std::int64_t outer = product(shape, 0, axis), n = shape[axis],
                     inner = product(shape, axis + 1, shape.size());
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) {
        const std::int64_t base = o * n * inner + i;
        Wide<T> sum = F::kStart;
        for (std::int64_t k = 0; k < n; ++k) {
          const std::int64_t at = base + (reverse ? n - 1 - k : k) * inner;
          const Wide<T> next = F::join(sum, static_cast<Wide<T>>(inputs[0].as<T>()[at]));
          outputs[0].as<T>()[at] = static_cast<T>(exclusive ? sum : next);
          sum = next;
        }
      }
    }
  });
}

/// Axes moved from the attribute to an input at opset 18 (13 for ReduceSum).
template <class F>
void add_reduction(std::vector<Operator>& rows, const char* name, int axes_input_since,
                   decltype(Operator::reference) run = run_reduce<F>) {
  rows.push_back({name, "", 1, axes_input_since - 1, infer_reduce<F>, run, 1, 1, 1, "axes:I keepdims:i"});
  rows.push_back({name, "", axes_input_since, kNewestOpset, infer_reduce<F>, run, 1, 2, 1,
                  "keepdims:i noop_with_empty_axes:i"});
}

}  // namespace

const std::vector<Operator>& reduce_operators() {
  static const std::vector<Operator> rows = [] {
    std::vector<Operator> all = {
        {"ArgMax", "", 1, kNewestOpset, infer_arg, run_arg<true>, 1, 1, 1,
         "axis:i keepdims:i select_last_index:i"},
        {"ArgMin", "", 1, kNewestOpset, infer_arg, run_arg<false>, 1, 1, 1,
         "axis:i keepdims:i select_last_index:i"},
        {"CumSum", "", 11, kNewestOpset, infer_cumulative, run_cumulative<RunningSum>, 2, 2, 1,
         "exclusive:i reverse:i"},
        {"CumProd", "", 26, kNewestOpset, infer_cumulative, run_cumulative<RunningProduct>, 2, 2, 1,
         "exclusive:i reverse:i"},
    };
    add_reduction<ReduceSum>(all, "ReduceSum", 13);
    add_reduction<ReduceMean>(all, "ReduceMean", 18);
    add_reduction<ReduceMax>(all, "ReduceMax", 18);
    add_reduction<ReduceMin>(all, "ReduceMin", 18);
    add_reduction<ReduceProd>(all, "ReduceProd", 18);
    add_reduction<ReduceL1>(all, "ReduceL1", 18);
    add_reduction<ReduceL2>(all, "ReduceL2", 18);
    add_reduction<ReduceSumSquare>(all, "ReduceSumSquare", 18);
    add_reduction<ReduceLogSum>(all, "ReduceLogSum", 18);
    add_reduction<ReduceLogSum>(all, "ReduceLogSumExp", 18, run_log_sum_exp);
    return all;
  }();
  return rows;
}

}  // namespace edgeclip::engine
