#include <algorithm>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/joined_channels.h"

namespace edgeclip::engine {

namespace {

/// edgeclip.ChannelAffine: y = activation(scale[c] x + shift[c]).
class ChannelAffineKernel final : public Kernel {
 public:
  ChannelAffineKernel(kernels::Executor& executor, std::vector<ChannelPart> parts, std::int64_t images,
                      std::int64_t channels, std::int64_t plane, bool last, const Activation& activation)
      : executor_(executor),
        parts_(std::move(parts)),
        images_(images),
        channels_(channels),
        plane_(plane),
        last_(last),
        activation_(activation) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float *scale = inputs[1].as<float>(), *shift = inputs[2].as<float>();
    float* y = outputs[0].as<float>();
    if (last_) {
      const std::int64_t pixels = images_ * plane_;
      parallel_rows(executor_, pixels, channels_, [&](std::int64_t p) {
        for (const ChannelPart& part : parts_) {
          const float *from = inputs[part.input].as<float>() + p * part.channels, *a = scale + part.first,
                      *b = shift + part.first;
          float* to = y + p * channels_ + part.first;
          for (std::int64_t c = 0; c < part.channels; ++c) to[c] = a[c] * from[c] + b[c];
          activate_all(to, part.channels);
        }
      });
      return;
    }
    const std::int64_t planes = images_ * channels_;
    parallel_rows(executor_, planes, plane_, [&](std::int64_t k) {
      const std::int64_t n = k / channels_, c = k % channels_;
      const ChannelPart* part = parts_.data();
      while (c >= part->first + part->channels) ++part;
      const float* from = inputs[part->input].as<float>() + (n * part->channels + c - part->first) * plane_;
      float* to = y + k * plane_;
      for (std::int64_t i = 0; i < plane_; ++i) to[i] = scale[c] * from[i] + shift[c];
      activate_all(to, plane_);
    });
  }

  std::string implementation() const override { return "loop:channel_affine"; }

 private:
  void activate_all(float* y, std::int64_t n) const {
    if (activation_.kind == Activation::kRelu)  // the common one, in a loop that vectorizes
      for (std::int64_t i = 0; i < n; ++i) y[i] = std::max(y[i], 0.0f);
    else if (activation_.kind != Activation::kNone)
      for (std::int64_t i = 0; i < n; ++i) y[i] = activate(y[i], activation_);
  }

  kernels::Executor& executor_;
  const std::vector<ChannelPart> parts_;
  const std::int64_t images_, channels_, plane_;
  const bool last_;
  const Activation activation_;
};

class ChannelAffineNode final : public CpuNode {
 public:
  explicit ChannelAffineNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state), activation_(activation_of(request.node)) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    return joined_layouts(inputs, outputs, given, channel_parts(inputs.size(), 3));
  }
  bool in_place(std::size_t i, const Inputs& inputs, const Outputs&) const override {
    return i == 0 && inputs.size() == 3;
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& y = request.outputs[0].shape;
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    std::vector<ChannelPart> parts = channel_parts(request.inputs, 3);
    const std::int64_t plane = product(y, 2, y.size());
    const bool last = request.layouts.outputs[0] == Layout::channels_last || plane == 1;
    return std::make_unique<ChannelAffineKernel>(request.executor, std::move(parts), y[0], y[1], plane, last,
                                                 activation_);
  }

  const Activation activation_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_channel_affine(const PrepareRequest& request) {
  return std::make_unique<ChannelAffineNode>(request);
}

}  // namespace edgeclip::engine
