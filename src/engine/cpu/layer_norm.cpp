#include <cmath>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/parts.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

class LayerNormKernel : public Kernel {
 public:
  enum Slot : std::size_t { kSource, kDestination, kScale, kShift };
  LayerNormKernel(DividedCall call, bool shift) : call_(std::move(call)), shift_(shift) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(kSource, inputs[0].data);
    call_.set(kScale, inputs[1].data);
    if (shift_) call_.set(kShift, inputs[2].data);
    call_.set(kDestination, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  DividedCall call_;
  const bool shift_;
};

/// x is normalized over its last axis.
bool over_last_axis(const Node& node, const Shape& x) {
  const auto rank = static_cast<std::int64_t>(x.size());
  const std::int64_t axis = node.int_or("axis", -1);
  return rank >= 1 && (axis == -1 || axis == rank - 1);
}

class LayerNormNode final : public CpuNode {
 public:
  explicit LayerNormNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  bool in_place(std::size_t i, const Inputs&, const Outputs&) const override { return i == 0; }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& x = request.inputs[0].shape;
    if (!over_last_axis(node, x))
      return bind_in_parts(node, request,
                           leading_parts(request.inputs, request.outputs,
                                         normalize_axis(node, node.int_or("axis", -1), x.size()), {0}));
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    const std::int64_t width = x.back(), rows = num_elements(x) / width;
    if (request.inputs[1].elements() != width) return nullptr;
    const bool shift = node.has_input(2);
    if (shift && request.inputs[2].elements() != width) return nullptr;

    const auto flags = shift ? dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift
                             : dnnl::normalization_flags::use_scale;
    const dnnl::memory::desc weight = dense_desc({width}, kF32);
    DividedCall call(request);
    add_ranges<dnnl::layer_normalization_forward>(
        call, divided(rows, rows * width, request.executor.threads()),
        [&](std::int64_t length) {
          return dnnl::layer_normalization_forward::primitive_desc(
              {dnnl::prop_kind::forward_inference, dense_desc({length, width}, kF32),
               node.float_or("epsilon", 1e-5f), flags},
              onednn_attributes(), onednn_engine());
        },
        [&](const Range& range, const auto& pd) {
          call.bind(DNNL_ARG_SRC, pd.src_desc(), range.begin * width);
          call.bind(DNNL_ARG_DST, pd.dst_desc(), range.begin * width);
          call.bind(DNNL_ARG_SCALE, weight);
          if (shift) call.bind(DNNL_ARG_SHIFT, weight);
        });
    return std::make_unique<LayerNormKernel>(std::move(call), shift);
  }
};

class L2NormalizeKernel final : public Kernel {
 public:
  L2NormalizeKernel(kernels::Executor& executor, std::int64_t rows, std::int64_t width, double epsilon)
      : executor_(executor), rows_(rows), width_(width), epsilon_(epsilon) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float* x = inputs[0].as<float>();
    float* y = outputs[0].as<float>();
    parallel_rows(executor_, rows_, width_, [&](std::int64_t row) {
      const float* from = x + row * width_;
      float* to = y + row * width_;
      double squares = 0;  // as the reference: the order of float32 sums would show in the last bit
      for (std::int64_t k = 0; k < width_; ++k)
        squares += static_cast<double>(from[k]) * static_cast<double>(from[k]);
      const auto norm = static_cast<float>(std::max(std::sqrt(squares), epsilon_));
      for (std::int64_t k = 0; k < width_; ++k) to[k] = from[k] / norm;
    });
  }

  std::string implementation() const override { return "loop:l2_normalize"; }

 private:
  kernels::Executor& executor_;
  const std::int64_t rows_, width_;
  const double epsilon_;
};

class L2NormalizeNode final : public CpuNode {
 public:
  explicit L2NormalizeNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  bool in_place(std::size_t, const Inputs& inputs, const Outputs&) const override {
    return over_last_axis(node, inputs[0].shape);
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& x = request.inputs[0].shape;
    if (request.inputs[0].dtype != DType::f32 || !over_last_axis(node, x)) return nullptr;
    return std::make_unique<L2NormalizeKernel>(request.executor, num_elements(x) / x.back(), x.back(),
                                               static_cast<double>(node.float_or("epsilon", 0)));
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_layer_norm(const PrepareRequest& request) {
  if (request.node.outputs.size() != 1) return prepare_rows(request);  // mean and deviation as well
  return std::make_unique<LayerNormNode>(request);
}

std::unique_ptr<PreparedNode> prepare_l2_normalize(const PrepareRequest& request) {
  return std::make_unique<L2NormalizeNode>(request);
}

}  // namespace edgeclip::engine
