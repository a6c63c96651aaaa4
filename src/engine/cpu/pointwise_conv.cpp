#include "engine/cpu/pointwise_conv.h"

#include <algorithm>
#include <utility>

#include "engine/cpu/float_product.h"
#include "engine/ops/window.h"

namespace edgeclip::engine {

namespace {

constexpr std::size_t kX = 0, kW = 1, kBias = 2, kResidual = 3;

/// The value's bytes are (pixels, channels).
bool is_pixels_by_channels(const TensorView& value, Layout layout) {
  return layout == Layout::channels_last || normalized(Layout::channels_last, value.shape) == Layout::plain;
}

}  // namespace

std::unique_ptr<Kernel> bind_pointwise_conv(const Node& node, const BindRequest& request, const TensorView& weights,
                                            const TensorView& bias, const Activation& activation, CpuState& state) {
  const Inputs& in = request.inputs;
  const Shape &x = in[kX].shape, &w = in[kW].shape;
  if (weights.data == nullptr || node.int_or("group", 1) != 1 || (node.has_input(kBias) && bias.data == nullptr))
    return nullptr;
  if (!std::all_of(w.begin() + 2, w.end(), [](std::int64_t taps) { return taps == 1; })) return nullptr;
  for (const WindowDim& d : window_of(node, x, Shape(w.begin() + 2, w.end())))
    if (d.stride != 1 || d.before != 0 || d.out != d.in) return nullptr;
  const TensorView y = request.outputs[0].view();
  if (!is_pixels_by_channels(in[kX], request.layouts.inputs[kX]) ||
      !is_pixels_by_channels(y, request.layouts.outputs[0]))
    return nullptr;
  const bool residual = node.has_input(kResidual);
  if (residual && (in[kResidual].shape != y.shape ||
                   !is_pixels_by_channels(in[kResidual], request.layouts.inputs[kResidual])))
    return nullptr;
  const TensorView matrix{weights.dtype, {w[0], w[1]}, weights.data};
  FloatProduct product{state.gemm_weights.of_floats(matrix, true, request.executor),
                       in[kX].elements() / w[1],
                       bias.data ? bias.as<float>() : nullptr,
                       activation,
                       {},
                       true};
  if (residual) product.residual = kResidual;
  return make_float_product(std::move(product), request);
}

}  // namespace edgeclip::engine
