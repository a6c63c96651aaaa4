#include <algorithm>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

/// edgeclip.ChannelAffine: y = activation(scale[c] x + shift[c]), rows of channels or planes of one channel.
class ChannelAffineKernel final : public Kernel {
 public:
  /// rows of `width` channels (channels last), or planes of `width` elements, the channels taking turns.
  ChannelAffineKernel(std::int64_t rows, std::int64_t width, std::int64_t channels, bool last,
                      const Activation& activation)
      : rows_(rows), width_(width), channels_(channels), last_(last), activation_(activation) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float *x = inputs[0].as<float>(), *scale = inputs[1].as<float>(), *shift = inputs[2].as<float>();
    float* y = outputs[0].as<float>();
#pragma omp parallel for schedule(static) if (rows_ * width_ > kParallelElements)
    for (std::int64_t r = 0; r < rows_; ++r) {
      const float* from = x + r * width_;
      float* to = y + r * width_;
      if (last_) {
        for (std::int64_t i = 0; i < width_; ++i) to[i] = scale[i] * from[i] + shift[i];
      } else {
        const float a = scale[r % channels_], b = shift[r % channels_];
        for (std::int64_t i = 0; i < width_; ++i) to[i] = a * from[i] + b;
      }
      if (activation_.kind == Activation::kRelu)  // the common one, in a loop that vectorizes
        for (std::int64_t i = 0; i < width_; ++i) to[i] = std::max(to[i], 0.0f);
      else if (activation_.kind != Activation::kNone)
        for (std::int64_t i = 0; i < width_; ++i) to[i] = activate(to[i], activation_);
    }
  }

  std::string implementation() const override { return "loop:channel_affine"; }

 private:
  const std::int64_t rows_, width_, channels_;
  const bool last_;
  const Activation activation_;
};

class ChannelAffineNode final : public CpuNode {
 public:
  explicit ChannelAffineNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state), activation_(activation_of(request.node)) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    return as_first_input(inputs, outputs, given);
  }
  bool in_place(std::size_t i, const Inputs&, const Outputs&) const override { return i == 0; }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& x = request.inputs[0].shape;
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    const std::int64_t plane = product(x, 2, x.size());
    if (request.layouts.inputs[0] == Layout::channels_last || plane == 1)
      return std::make_unique<ChannelAffineKernel>(x[0] * plane, x[1], x[1], true, activation_);
    return std::make_unique<ChannelAffineKernel>(x[0] * x[1], plane, x[1], false, activation_);
  }

  const Activation activation_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_channel_affine(const PrepareRequest& request) {
  return std::make_unique<ChannelAffineNode>(request);
}

}  // namespace edgeclip::engine
