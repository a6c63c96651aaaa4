#include "engine/cpu/pointwise_conv.h"

#include <algorithm>
#include <utility>

#include "engine/cpu/product_activation.h"
#include "engine/ops/window.h"

namespace edgeclip::engine {

namespace {

constexpr std::size_t kX = 0, kW = 1, kBias = 2, kResidual = 3;

class PointwiseConvKernel final : public Kernel {
 public:
  PointwiseConvKernel(GemmWeights::Packed weights, const float* bias, const Activation& activation, bool residual,
                      std::int64_t pixels, kernels::Executor& executor)
      : weights_(std::move(weights)), pixels_(pixels), residual_(residual), executor_(executor) {
    set_activation(epilogue_, activation);
    epilogue_.residual_first = true;
    epilogue_.out_stride = epilogue_.residual_stride = weights_->n;
    if (bias) {
      bias_ = padded_to_panels(bias, *weights_);
      epilogue_.bias = bias_.data();
    }
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    epilogue_.out = outputs[0].data;
    if (residual_) epilogue_.residual = inputs[kResidual].as<float>();
    kernels::gemm(executor_, {inputs[kX].data, pixels_, weights_->k}, *weights_, epilogue_);
  }

  std::string implementation() const override { return gemm_name(*weights_); }

 private:
  const GemmWeights::Packed weights_;
  const std::int64_t pixels_;
  const bool residual_;
  kernels::Executor& executor_;
  std::vector<float> bias_;
  kernels::Epilogue epilogue_;
};

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
  return std::make_unique<PointwiseConvKernel>(state.gemm_weights.of_floats(matrix, true),
                                               bias.data ? bias.as<float>() : nullptr, activation, residual,
                                               in[kX].elements() / w[1], request.executor);
}

}  // namespace edgeclip::engine
