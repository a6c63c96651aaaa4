#include <cmath>
#include <limits>

#include "engine/ops/families.h"
#include "engine/ops/window.h"

/// MaxPool, AveragePool, LpPool and their global forms, for any number of spatial dimensions.
namespace edgeclip::engine {

namespace {

/// The p of LpPool: (sum |x|^p)^(1/p).
double pool_power(const Node& node) { return static_cast<double>(node.int_or("p", 2)); }

void infer_pool(ShapeContext& context) {
  const Node& node = context.node;
  const TensorView& x = context.inputs[0];
  const bool bytes = node.op == "MaxPool" && (x.dtype == DType::u8 || x.dtype == DType::i8);
  if (!bytes) require_float(context, 0);
  if (const auto order = node.int_or("storage_order", 0); order != 0 && order != 1)
    refuse(node, "a storage_order of {}: 0 or 1", order);
  if (pool_power(node) < 1) refuse(node, "a p of {}: it must be positive", pool_power(node));
  const auto window = window_of(node, x.shape, node.ints_or("kernel_shape", {}));
  Shape shape = {x.shape[0], x.shape[1]};
  for (const auto& d : window) {
    if (d.before >= d.kernel || d.after >= d.kernel)
      if (node.string_or("auto_pad", "NOTSET") == "NOTSET")
        refuse(node, "pads of {} and {}: they must be smaller than the kernel of {}", d.before, d.after,
               d.kernel);
    shape.push_back(d.out);
  }
  add_output(context, x.dtype, shape);
  if (node.outputs.size() > 1) add_output(context, DType::i64, shape);
}

void infer_global_pool(ShapeContext& context) {
  require_float(context, 0);
  Shape shape = context.inputs[0].shape;
  if (shape.size() < 3) refuse(context.node, "needs (N, C, spatial...), not {}", shape_string(shape));
  if (pool_power(context.node) < 1)
    refuse(context.node, "a p of {}: it must be positive", pool_power(context.node));
  for (std::size_t d = 2; d < shape.size(); ++d) {
    if (shape[d] == 0) refuse(context.node, "an empty plane {}", shape_string(shape));
    shape[d] = 1;
  }
  add_output(context, context.inputs[0].dtype, shape);
}

/// visit(plane, place, output index) for each output element.
template <class Visit>
void for_each_output(const std::vector<WindowDim>& window, std::int64_t planes, Visit visit) {
  std::int64_t per_plane = 1;
  for (const auto& w : window) per_plane *= w.out;
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    std::vector<std::int64_t> place(window.size(), 0);
    for (std::int64_t o = 0; o < per_plane; ++o, next_place(window, place))
      visit(plane, place, plane * per_plane + o);
  }
}

/// The same place of a (spatial...) plane counted with the first dimension the fastest (storage_order 1).
std::int64_t column_major(const Shape& spatial, std::int64_t offset) {
  std::int64_t result = 0;
  for (std::size_t d = spatial.size(); d-- > 0;) {
    std::int64_t step = 1;
    for (std::size_t before = 0; before < d; ++before) step *= spatial[before];
    result += offset % spatial[d] * step;
    offset /= spatial[d];
  }
  return result;
}

/// y, and in Indices where each maximum was found, counted over all of x without padding.
void run_max_pool(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const auto window = window_of(node, shape, node.ints_or("kernel_shape", {}));
  const Shape spatial(shape.begin() + 2, shape.end()), strides = strides_of(spatial);
  const std::int64_t in_plane = num_elements(spatial);
  const bool columns = node.int_or("storage_order", 0) == 1;
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    std::int64_t* where = outputs.size() > 1 && outputs[1].data ? outputs[1].as<std::int64_t>() : nullptr;
    for_each_output(window, shape[0] * shape[1],
                    [&](std::int64_t plane, const std::vector<std::int64_t>& place, std::int64_t at) {
                      T best = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                                    : std::numeric_limits<T>::lowest();
                      std::int64_t from = -1;  // stays so where the window holds nothing but padding
                      for_each_tap(window, strides, place, [&](std::int64_t offset, std::int64_t) {
                        const T value = x[plane * in_plane + offset];
                        if (from >= 0 && !(value > best)) return;
                        best = value;
                        from = offset;
                      });
                      y[at] = best;
                      if (!where) return;
                      if (from >= 0) from = plane * in_plane + (columns ? column_major(spatial, from) : from);
                      where[at] = from;
                    });
  });
}

/// y = finish(sum of term(x), how many there were, place) over what each window sees of the input.
template <class Term, class Finish>
void pool_sums(const Node& node, const Inputs& inputs, const Outputs& outputs,
               const std::vector<WindowDim>& window, Term term, Finish finish) {
  const Shape& shape = inputs[0].shape;
  const Shape spatial(shape.begin() + 2, shape.end()), strides = strides_of(spatial);
  const std::int64_t in_plane = num_elements(spatial);
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for_each_output(window, shape[0] * shape[1],
                    [&](std::int64_t plane, const std::vector<std::int64_t>& place, std::int64_t at) {
                      double sum = 0;
                      std::int64_t count = 0;
                      for_each_tap(window, strides, place, [&](std::int64_t offset, std::int64_t) {
                        sum += term(static_cast<double>(x[plane * in_plane + offset]));
                        ++count;
                      });
                      y[at] = static_cast<T>(finish(sum, count, place));
                    });
  });
}

void run_average_pool(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const auto window = window_of(node, inputs[0].shape, node.ints_or("kernel_shape", {}));
  const bool with_pads = node.int_or("count_include_pad", 0) != 0;
  const auto mean = [&](double sum, std::int64_t count, const std::vector<std::int64_t>& place) {
    if (with_pads) {  // padding counts as well, but not what ceil_mode reaches beyond it
      count = 1;
      for (std::size_t d = 0; d < window.size(); ++d) {
        const WindowDim& w = window[d];
        const auto [first, end] = w.taps_within(place[d], -w.before, w.in + w.after);
        count *= end - first;
      }
    }
    return count ? sum / static_cast<double>(count) : 0;
  };
  pool_sums(
      node, inputs, outputs, window, [](double x) { return x; }, mean);
}

void run_lp_pool(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const double p = pool_power(node);
  pool_sums(
      node, inputs, outputs, window_of(node, inputs[0].shape, node.ints_or("kernel_shape", {})),
      [p](double x) { return std::pow(std::fabs(x), p); },
      [p](double sum, std::int64_t, const std::vector<std::int64_t>&) { return std::pow(sum, 1 / p); });
}

/// y[n, c] = Pool::of(node, x, count) of its plane of count elements.
template <class Pool>
void run_global_pool(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::int64_t plane = product(shape, 2, shape.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t p = 0; p < shape[0] * shape[1]; ++p, x += plane)
      y[p] = static_cast<T>(Pool::of(node, x, plane));
  });
}

struct AverageOfPlane {
  template <class T>
  static double of(const Node&, const T* x, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
    return sum / static_cast<double>(count);
  }
};

struct MaximumOfPlane {
  template <class T>
  static T of(const Node&, const T* x, std::int64_t count) {
    return *std::max_element(x, x + count);
  }
};

struct LpNormOfPlane {
  template <class T>
  static double of(const Node& node, const T* x, std::int64_t count) {
    const double p = pool_power(node);
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += std::pow(std::fabs(static_cast<double>(x[i])), p);
    return std::pow(sum, 1 / p);
  }
};

}  // namespace

const std::vector<Operator>& pool_operators() {
  static const std::vector<Operator> rows = {
      {"MaxPool", "", 1, kNewestOpset, infer_pool, run_max_pool, 1, 1, 2,
       "auto_pad:s ceil_mode:i dilations:I kernel_shape:I! pads:I storage_order:i strides:I"},
      {"AveragePool", "", 7, kNewestOpset, infer_pool, run_average_pool, 1, 1, 1,
       "auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I! pads:I strides:I"},
      {"LpPool", "", 2, kNewestOpset, infer_pool, run_lp_pool, 1, 1, 1,
       "auto_pad:s ceil_mode:i dilations:I kernel_shape:I! p:i pads:I strides:I"},
      {"GlobalAveragePool", "", 1, kNewestOpset, infer_global_pool, run_global_pool<AverageOfPlane>, 1, 1},
      {"GlobalMaxPool", "", 1, kNewestOpset, infer_global_pool, run_global_pool<MaximumOfPlane>, 1, 1},
      {"GlobalLpPool", "", 2, kNewestOpset, infer_global_pool, run_global_pool<LpNormOfPlane>, 1, 1, 1,
       "p:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
