#include <limits>

#include "engine/ops/families.h"
#include "engine/ops/window.h"

/// MaxPool, AveragePool and their global forms, for any number of spatial dimensions.
namespace edgeclip::engine {

namespace {

void infer_pool(ShapeContext& context) {
  const Node& node = context.node;
  const TensorView& x = context.inputs[0];
  if (node.int_or("storage_order", 0) != 0) unsupported(node, "only storage_order 0 is there");
  const bool bytes = node.op == "MaxPool" && (x.dtype == DType::u8 || x.dtype == DType::i8);
  if (!bytes) require_float(context, 0);
  const auto window = window_of(node, x.shape, node.ints_or("kernel_shape", {}));
  Shape shape = {x.shape[0], x.shape[1]};
  for (const auto& d : window) shape.push_back(d.out);
  add_output(context, x.dtype, shape);
  if (node.outputs.size() > 1) add_output(context, DType::i64, shape);
}

void infer_global_pool(ShapeContext& context) {
  require_float(context, 0);
  Shape shape = context.inputs[0].shape;
  if (shape.size() < 3) refuse(context.node, "needs (N, C, spatial...), not {}", shape_string(shape));
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

void run_max_pool(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const auto window = window_of(node, shape, node.ints_or("kernel_shape", {}));
  const Shape spatial(shape.begin() + 2, shape.end()), strides = strides_of(spatial);
  const std::int64_t in_plane = num_elements(spatial);
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    std::int64_t* where = outputs.size() > 1 && outputs[1].data ? outputs[1].as<std::int64_t>() : nullptr;
    for_each_output(window, shape[0] * shape[1],
                    [&](std::int64_t plane, const std::vector<std::int64_t>& place, std::int64_t at) {
                      T best = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                                    : std::numeric_limits<T>::lowest();
                      std::int64_t from = -1;
                      for_each_tap(window, strides, place, [&](std::int64_t offset, std::int64_t) {
                        const T value = x[plane * in_plane + offset];
                        if (from >= 0 && !(value > best)) return;
                        best = value;
                        from = plane * in_plane + offset;
                      });
                      y[at] = best;
                      if (where) where[at] = from;
                    });
  });
}

void run_average_pool(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const auto window = window_of(node, shape, node.ints_or("kernel_shape", {}));
  const Shape spatial(shape.begin() + 2, shape.end()), strides = strides_of(spatial);
  const std::int64_t in_plane = num_elements(spatial);
  const bool with_pads = node.int_or("count_include_pad", 0) != 0;
  const auto pads = node.ints_or("pads", {});
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for_each_output(window, shape[0] * shape[1],
                    [&](std::int64_t plane, const std::vector<std::int64_t>& place, std::int64_t at) {
                      double sum = 0;
                      std::int64_t count = 0;
                      for_each_tap(window, strides, place, [&](std::int64_t offset, std::int64_t) {
                        sum += static_cast<double>(x[plane * in_plane + offset]);
                        ++count;
                      });
                      if (with_pads) {  // padding counts as well, but not what ceil_mode reaches beyond it
                        count = 1;
                        for (std::size_t d = 0; d < window.size(); ++d) {
                          const WindowDim& w = window[d];
                          const bool same = node.string_or("auto_pad", "NOTSET").rfind("SAME", 0) == 0;
                          const std::int64_t after = pads.empty() ? 0 : pads[window.size() + d];
                          const std::int64_t first = place[d] * w.stride - w.before, end = w.in + after;
                          std::int64_t inside = 0;
                          for (std::int64_t k = 0; k < w.kernel; ++k)
                            inside += same || first + k * w.dilation < end;
                          count *= inside;
                        }
                      }
                      y[at] = count ? static_cast<T>(sum / static_cast<double>(count)) : T(0);
                    });
  });
}

template <bool kMax>
void run_global_pool(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::int64_t plane = product(shape, 2, shape.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t p = 0; p < shape[0] * shape[1]; ++p, x += plane) {
      double sum = 0;
      T most = x[0];
      for (std::int64_t i = 0; i < plane; ++i) {
        sum += static_cast<double>(x[i]);
        most = std::max(most, x[i]);
      }
      y[p] = kMax ? most : static_cast<T>(sum / static_cast<double>(plane));
    }
  });
}

}  // namespace

const std::vector<Operator>& pool_operators() {
  static const std::vector<Operator> rows = {
      {"MaxPool", "", 1, kNewestOpset, infer_pool, run_max_pool, 1, 1, 2,
       "auto_pad:s ceil_mode:i dilations:I kernel_shape:I! pads:I storage_order:i strides:I"},
      {"AveragePool", "", 7, kNewestOpset, infer_pool, run_average_pool, 1, 1, 1,
       "auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I! pads:I strides:I"},
      {"GlobalAveragePool", "", 1, kNewestOpset, infer_global_pool, run_global_pool<false>, 1, 1},
      {"GlobalMaxPool", "", 1, kNewestOpset, infer_global_pool, run_global_pool<true>, 1, 1},
  };
  return rows;
}

}  // namespace edgeclip::engine
