#include <cmath>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/parts.h"
#include "engine/ops/support.h"
#include "kernels/norm/row_kernels.h"

namespace edgeclip::engine {

namespace {

/// Rows of x by scale and shift: y, or q and q_scale and, if it is read, y.
class LayerNormKernel final : public Kernel {
 public:
  LayerNormKernel(kernels::Executor& executor, const Node& node, const Shape& x, bool quantized)
      : executor_(executor),
        rows_(num_elements(x) / x.back()),
        width_(x.back()),
        epsilon_(node.float_or("epsilon", 1e-5F)),
        quantized_(quantized) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    kernels::NormalizedRows work;
    work.x = inputs[0].as<float>();
    work.rows = rows_;
    work.width = width_;
    work.scale = inputs[1].as<float>();
    if (inputs.size() > 2 && inputs[2].data) work.shift = inputs[2].as<float>();
    work.epsilon = epsilon_;
    const auto floats = [&](std::size_t i) {
      return i < outputs.size() && outputs[i].data ? outputs[i].as<float>() : nullptr;
    };
    work.y = floats(quantized_ ? 2 : 0);
    if (quantized_) {
      work.q = outputs[0].as<std::int8_t>();
      work.q_scale = floats(1);
    }
    kernels::normalize_rows(work, executor_);
  }

  std::string implementation() const override {
    return quantized_ ? "simd:layer_norm_quantize" : "simd:layer_norm";
  }

 private:
  kernels::Executor& executor_;
  const std::int64_t rows_, width_;
  const float epsilon_;
  const bool quantized_;
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
    if (request.inputs[1].elements() != x.back()) return nullptr;
    if (node.has_input(2) && request.inputs[2].elements() != x.back()) return nullptr;
    return std::make_unique<LayerNormKernel>(request.executor, node, x, false);
  }
};

class LayerNormQuantizeNode final : public CpuNode {
 public:
  explicit LayerNormQuantizeNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (node.outputs[0] == kNoValue) return nullptr;
    return std::make_unique<LayerNormKernel>(request.executor, node, request.inputs[0].shape, true);
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

std::unique_ptr<PreparedNode> prepare_layer_norm_quantize(const PrepareRequest& request) {
  return std::make_unique<LayerNormQuantizeNode>(request);
}

std::unique_ptr<PreparedNode> prepare_l2_normalize(const PrepareRequest& request) {
  return std::make_unique<L2NormalizeNode>(request);
}

}  // namespace edgeclip::engine
