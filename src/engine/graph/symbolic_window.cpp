#include <algorithm>

#include "engine/graph/symbolic_rules.h"
#include "engine/ops/window.h"

/// Shapes of what slides windows over planes, (N, C, spatial...), or gives planes another size.
namespace edgeclip::engine {

namespace {

/// The attributes of a window along one dimension.
struct Window {
  std::int64_t reach = 1, stride = 1, before = 0, after = 0;
  bool same = false;  ///< auto_pad SAME_UPPER or SAME_LOWER
  bool ceil = false;
};

/// For each spatial dimension; pads are 0 where auto_pad says so.
std::vector<Window> windows_of(const Node& node, const std::vector<std::int64_t>& kernel) {
  const std::size_t rank = kernel.size();
  const auto strides = window_attribute(node, "strides", rank, 1, 1),
             dilations = window_attribute(node, "dilations", rank, 1, 1),
             pads = window_attribute(node, "pads", 2 * rank, 0, 0);
  const std::string auto_pad = auto_pad_of(node);
  std::vector<Window> result(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    Window& w = result[d];
    w.reach = window_reach(node, kernel[d], dilations[d]);
    w.stride = strides[d];
    w.same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
    w.ceil = node.int_or("ceil_mode", 0) != 0;
    if (auto_pad != "NOTSET") continue;
    w.before = pads[d];
    w.after = pads[rank + d];
  }
  return result;
}

/// How many places a window has in a dimension.  One that does not fit is refused, so there is one at least.
SymbolicDim places(const Window& w, const SymbolicDim& in) {
  if (w.same) return ceil_div(in, w.stride);
  const SymbolicDim room = (in + (w.before + w.after - w.reach)).bounded(0);
  if (!w.ceil || w.stride == 1) return floor_div(room, w.stride) + 1;
  // Rounded up, but without a last window that starts in the padding behind.
  const SymbolicDim rounded_up = ceil_div(room, w.stride) + 1;
  if (w.after >= w.reach) return SymbolicDim::unknown();
  if (w.reach - 1 - w.after >= w.stride - 1) return rounded_up;
  return min_of(rounded_up, floor_div(in + (w.before - 1), w.stride) + 1);
}

/// The kernel's spatial dimensions, (M, C, kernel...), where they are known.
std::optional<std::vector<std::int64_t>> kernel_of(const SymbolicShape& weights) {
  std::vector<std::int64_t> kernel;
  for (std::size_t d = 2; d < weights.size(); ++d) {
    const auto size = weights[d].constant();
    if (!size || *size < 1) return {};
    kernel.push_back(*size);
  }
  return kernel;
}

SymbolicShape planes(const SymbolicDim& samples, const SymbolicDim& channels, std::size_t rank) {
  SymbolicShape shape(rank, SymbolicDim::unknown());
  shape[0] = samples;
  shape[1] = channels;
  return shape;
}

}  // namespace

void shape_conv(SymbolicNode& n) {
  const SymbolicShape &x = n.dims(0), &w = n.dims(n.node.op == "QLinearConv" ? 3 : 1);
  if (x.size() < 3 || w.size() != x.size()) return;
  SymbolicShape shape = planes(x[0], w[0], x.size());
  if (const auto kernel = kernel_of(w)) {
    const auto windows = windows_of(n.node, *kernel);
    for (std::size_t d = 0; d < windows.size(); ++d) shape[d + 2] = places(windows[d], x[d + 2]);
  }
  n.give(0, std::move(shape));
}

void shape_conv_transpose(SymbolicNode& n) {
  const SymbolicShape &x = n.dims(0), &w = n.dims(1);
  if (x.size() < 3 || w.size() != x.size()) return;
  SymbolicShape shape = planes(x[0], w[1] * n.node.int_or("group", 1), x.size());
  auto wanted = n.node.ints_or("output_shape", {});
  const std::size_t rank = x.size() - 2;
  if (wanted.size() == rank + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (!wanted.empty() && wanted.size() != rank) return;
  if (const auto kernel = kernel_of(w)) {
    const auto windows = windows_of(n.node, *kernel);
    const auto extra = window_attribute(n.node, "output_padding", rank, 0, 0);
    for (std::size_t d = 0; d < rank; ++d) {
      const Window& v = windows[d];
      if (!wanted.empty())
        shape[d + 2] = wanted[d];
      else if (v.same)
        shape[d + 2] = x[d + 2] * v.stride;
      else
        shape[d + 2] = (x[d + 2] - 1) * v.stride + (v.reach + extra[d] - v.before - v.after);
      shape[d + 2] = shape[d + 2].bounded(1);
    }
  }
  n.give(0, std::move(shape));
}

void shape_pool(SymbolicNode& n) {
  const SymbolicShape& x = n.dims(0);
  const auto kernel = n.node.ints_or("kernel_shape", {});
  if (x.size() < 3 || kernel.size() != x.size() - 2) return;
  SymbolicShape shape = planes(x[0], x[1], x.size());
  const auto windows = windows_of(n.node, kernel);
  for (std::size_t d = 0; d < windows.size(); ++d) shape[d + 2] = places(windows[d], x[d + 2]);
  n.give(0, shape);
  n.give(1, std::move(shape));
}

void shape_global_pool(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  for (std::size_t d = 2; d < shape.size(); ++d) shape[d] = 1;
  n.give(0, std::move(shape));
}

void shape_resize(SymbolicNode& n) {
  const bool modern = n.node.op == "Resize" && n.node.opset >= 11;
  const std::size_t scales_at = modern ? 2 : 1;
  SymbolicShape shape = n.dims(0);
  auto axes = normalize_axes(n.node, n.node.ints_or("axes", {}), shape.size());
  if (axes.empty())
    for (std::size_t d = 0; d < shape.size(); ++d) axes.push_back(d);
  const SymbolicShape in = shape;
  for (const std::size_t a : axes) shape[a] = SymbolicDim::unknown();

  std::vector<float> scales;
  if (const auto it = n.node.attributes.find("scales"); it != n.node.attributes.end())
    scales = std::get<std::vector<float>>(it->second);
  else if (n.has(scales_at) && n.inputs[scales_at]->data &&
           n.inputs[scales_at]->data->dtype() == DType::f32) {
    const Tensor& data = *n.inputs[scales_at]->data;
    scales.assign(data.data<float>(), data.data<float>() + data.elements());
  }
  const bool sized = modern && n.has(3) && n.length(3) != 0;
  if (!sized && scales.size() == axes.size()) {
    for (std::size_t i = 0; i < axes.size(); ++i)
      shape[axes[i]] = scales[i] == 1 ? in[axes[i]] : scaled_by(in[axes[i]], scales[i]);
  } else if (sized && n.node.string_or("keep_aspect_ratio_policy", "stretch") == "stretch") {
    const auto sizes = n.ints("", 3, {});
    if (sizes && sizes->size() == axes.size())
      for (std::size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = (*sizes)[i];
  }
  n.give(0, std::move(shape));
}

/// x (N, C, spatial...), grid (N, new spatial..., which).
void shape_grid_sample(SymbolicNode& n) {
  const SymbolicShape &x = n.dims(0), &grid = n.dims(1);
  if (x.size() < 3 || grid.size() != x.size()) return;
  SymbolicShape shape = {x[0], x[1]};
  shape.insert(shape.end(), grid.begin() + 1, grid.end() - 1);
  n.give(0, std::move(shape));
}

/// For a size of (N, C, spatial...): (N, spatial..., how many of these).
void shape_affine_grid(SymbolicNode& n) {
  const auto size = n.ints("", 1, {});
  if (!size || size->size() < 3) return;
  SymbolicShape shape = {(*size)[0]};
  shape.insert(shape.end(), size->begin() + 2, size->end());
  shape.emplace_back(static_cast<std::int64_t>(size->size()) - 2);
  n.give(0, std::move(shape));
}

}  // namespace edgeclip::engine
