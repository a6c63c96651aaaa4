#include <cmath>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/support.h"

/// InstanceNormalization, GroupNormalization, RMSNormalization and BatchNormalization by itself.
namespace edgeclip::engine {

namespace {

/// Sums in float64, in several parts so that the loop vectorizes.
template <class F>
double sum_of(const float* x, std::int64_t n, F f) {
  constexpr std::int64_t kLanes = 16;
  double sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::int64_t k = 0; k < kLanes; ++k) sums[k] += f(static_cast<double>(x[i + k]));
  for (; i < n; ++i) sums[0] += f(static_cast<double>(x[i]));
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

/// x (N, C, ...) as rows of a group each: `channels` planes of `inner` elements.
class GroupNormKernel final : public Kernel {
 public:
  GroupNormKernel(kernels::Executor& executor, std::int64_t rows, std::int64_t groups, std::int64_t channels,
                  std::int64_t inner, bool per_group, double epsilon)
      : executor_(executor),
        rows_(rows),
        groups_(groups),
        channels_(channels),
        inner_(inner),
        per_group_(per_group),
        epsilon_(epsilon) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float *x = inputs[0].as<float>(), *scale = inputs[1].as<float>(), *bias = inputs[2].as<float>();
    float* y = outputs[0].as<float>();
    const std::int64_t count = channels_ * inner_;
    parallel_rows(executor_, rows_, count, [&](std::int64_t r) {
      const float* from = x + r * count;
      float* to = y + r * count;
      const double mean = sum_of(from, count, [](double v) { return v; }) / static_cast<double>(count);
      const double squares = sum_of(from, count, [mean](double v) { return (v - mean) * (v - mean); });
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(count) + epsilon_);
      for (std::int64_t c = 0; c < channels_; ++c) {
        const std::int64_t group = r % groups_, at = per_group_ ? group : group * channels_ + c;
        // In float64: where the mean is large beside what is around it, its rounding would show.
        const double a = inverse * static_cast<double>(scale[at]), b = static_cast<double>(bias[at]);
        for (std::int64_t i = c * inner_; i < (c + 1) * inner_; ++i)
          to[i] = static_cast<float>((static_cast<double>(from[i]) - mean) * a + b);
      }
    });
  }

  std::string implementation() const override { return "loop:group_norm"; }

 private:
  kernels::Executor& executor_;
  const std::int64_t rows_, groups_, channels_, inner_;
  const bool per_group_;
  const double epsilon_;
};

class GroupNormNode final : public CpuNode {
 public:
  explicit GroupNormNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}
  bool in_place(std::size_t i, const Inputs&, const Outputs&) const override { return i == 0; }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& x = request.inputs[0].shape;
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    const std::int64_t groups = node.is("InstanceNormalization") ? x[1] : node.int_or("num_groups", 1);
    const bool per_group = request.inputs[1].shape[0] == groups;
    return std::make_unique<GroupNormKernel>(request.executor, x[0] * groups, groups, x[1] / groups,
                                             product(x, 2, x.size()), per_group,
                                             static_cast<double>(node.float_or("epsilon", 1e-5F)));
  }
};

/// Rows of n with a scale for each element.
class RmsNormKernel final : public Kernel {
 public:
  RmsNormKernel(kernels::Executor& executor, std::int64_t rows, std::int64_t n, double epsilon)
      : executor_(executor), rows_(rows), n_(n), epsilon_(epsilon) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float *x = inputs[0].as<float>(), *scale = inputs[1].as<float>();
    float* y = outputs[0].as<float>();
    parallel_rows(executor_, rows_, n_, [&](std::int64_t r) {
      const float* from = x + r * n_;
      float* to = y + r * n_;
      const double squares = sum_of(from, n_, [](double v) { return v * v; });
      const auto inverse = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(n_) + epsilon_));
      for (std::int64_t i = 0; i < n_; ++i) to[i] = from[i] * inverse * scale[i];
    });
  }

  std::string implementation() const override { return "loop:rms_norm"; }

 private:
  kernels::Executor& executor_;
  const std::int64_t rows_, n_;
  const double epsilon_;
};

class RmsNormNode final : public CpuNode {
 public:
  explicit RmsNormNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}
  bool in_place(std::size_t i, const Inputs&, const Outputs&) const override { return i == 0; }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& x = request.inputs[0].shape;
    const std::size_t axis = normalize_axis(node, node.int_or("axis", -1), x.size());
    const std::int64_t n = product(x, axis, x.size());
    if (request.inputs[0].dtype != DType::f32 || request.inputs[1].elements() != n) return nullptr;
    return std::make_unique<RmsNormKernel>(request.executor, product(x, 0, axis), n,
                                           static_cast<double>(node.float_or("epsilon", 1e-5F)));
  }
};

/// y = x a + b with a and b of the channel's statistics: rows of channels (channels last), or planes of a
/// channel.
class BatchNormKernel final : public Kernel {
 public:
  BatchNormKernel(kernels::Executor& executor, std::int64_t rows, std::int64_t width, std::int64_t channels,
                  bool last, float epsilon)
      : executor_(executor),
        rows_(rows),
        width_(width),
        last_(last),
        epsilon_(epsilon),
        scale_(static_cast<std::size_t>(channels)),
        shift_(static_cast<std::size_t>(channels)) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const auto channels = static_cast<std::int64_t>(scale_.size());
    for (std::int64_t c = 0; c < channels; ++c) {
      const float a = inputs[1].as<float>()[c] / std::sqrt(inputs[4].as<float>()[c] + epsilon_);
      scale_[static_cast<std::size_t>(c)] = a;
      shift_[static_cast<std::size_t>(c)] = inputs[2].as<float>()[c] - inputs[3].as<float>()[c] * a;
    }
    const float *x = inputs[0].as<float>(), *scale = scale_.data(), *shift = shift_.data();
    float* y = outputs[0].as<float>();
    parallel_rows(executor_, rows_, width_, [&](std::int64_t r) {
      const float* from = x + r * width_;
      float* to = y + r * width_;
      if (last_) {
        for (std::int64_t i = 0; i < width_; ++i) to[i] = from[i] * scale[i] + shift[i];
      } else {
        const float a = scale[r % channels], b = shift[r % channels];
        for (std::int64_t i = 0; i < width_; ++i) to[i] = from[i] * a + b;
      }
    });
  }

  std::string implementation() const override { return "loop:batch_norm"; }

 private:
  kernels::Executor& executor_;
  const std::int64_t rows_, width_;
  const bool last_;
  const float epsilon_;
  std::vector<float> scale_, shift_;
};

class BatchNormNode final : public CpuNode {
 public:
  explicit BatchNormNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    const bool follows = inputs[0].dtype == DType::f32 && node.int_or("spatial", 1) != 0;
    return as_first_input(inputs, outputs, follows ? given : std::vector<Layout>{Layout::plain});
  }
  bool in_place(std::size_t i, const Inputs&, const Outputs&) const override { return i == 0; }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    for (const TensorView& input : request.inputs)
      if (input.dtype != DType::f32) return nullptr;
    const Shape& x = request.inputs[0].shape;
    const float epsilon = node.float_or("epsilon", 1e-5F);
    const std::int64_t channels = request.inputs[1].elements(), plane = product(x, 1, x.size()) / channels;
    if (request.layouts.inputs[0] == Layout::channels_last || plane == 1)
      return std::make_unique<BatchNormKernel>(request.executor, x[0] * plane, channels, channels, true,
                                               epsilon);
    return std::make_unique<BatchNormKernel>(request.executor, x[0] * channels, plane, channels, false,
                                             epsilon);
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_group_norm(const PrepareRequest& request) {
  return std::make_unique<GroupNormNode>(request);
}
std::unique_ptr<PreparedNode> prepare_rms_norm(const PrepareRequest& request) {
  return std::make_unique<RmsNormNode>(request);
}
std::unique_ptr<PreparedNode> prepare_batch_norm(const PrepareRequest& request) {
  return std::make_unique<BatchNormNode>(request);
}

}  // namespace edgeclip::engine
