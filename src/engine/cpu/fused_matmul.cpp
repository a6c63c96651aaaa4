#include <optional>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/gemm_weights.h"
#include "engine/cpu/product_activation.h"
#include "engine/ops/activation.h"

namespace edgeclip::engine {

namespace {

class FusedMatMulKernel final : public Kernel {
 public:
  FusedMatMulKernel(GemmWeights::Packed weights, Activation activation, const float* bias, bool residual,
                    std::int64_t rows, const BindRequest& request)
      : weights_(std::move(weights)),
        rows_(rows),
        residual_(residual),
        executor_(request.executor),
        scratch_(request.scratch) {
    set_activation(epilogue_, activation);
    epilogue_.out_stride = epilogue_.residual_stride = weights_->n;
    if (bias) {
      bias_ = padded_to_panels(bias, *weights_);
      epilogue_.bias = bias_.data();
    }
    if (narrows())
      scratch_.reserve(static_cast<std::size_t>(rows_ * kernels::row_elements(*weights_)) * sizeof(std::uint16_t));
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    epilogue_.out = outputs[0].data;
    if (residual_) epilogue_.residual = inputs[3].as<float>();
    kernels::GemmInput a{inputs[0].data, rows_, weights_->k};
    if (narrows()) {
      auto* narrow = reinterpret_cast<std::uint16_t*>(scratch_.data());
      kernels::make_rows_bf16(executor_, inputs[0].as<float>(), rows_, *weights_, narrow);
      a = {narrow, rows_, kernels::row_elements(*weights_)};
    }
    kernels::gemm(executor_, a, *weights_, epilogue_);
  }

  std::string implementation() const override { return gemm_name(*weights_); }

 private:
  bool narrows() const { return weights_->type == kernels::WeightType::bf16; }

  const GemmWeights::Packed weights_;
  const std::int64_t rows_;
  const bool residual_;
  kernels::Executor& executor_;
  Scratch& scratch_;
  std::vector<float> bias_;
  kernels::Epilogue epilogue_;
};

class FusedMatMulNode final : public CpuNode {
 public:
  explicit FusedMatMulNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state),
        activation_(activation_of(request.node)),
        weights_(request.constants[1]),
        bias_(request.node.has_input(2) ? request.constants[2] : TensorView{}) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const bool biased = node.has_input(2);
    if (request.inputs[0].dtype != DType::f32 || (biased && bias_.data == nullptr)) return nullptr;
    return std::make_unique<FusedMatMulKernel>(
        state_.gemm_weights.of_floats(weights_, false), activation_, biased ? bias_.as<float>() : nullptr,
        node.has_input(3), request.inputs[0].elements() / weights_.shape[0], request);
  }

  const Activation activation_;
  const TensorView weights_, bias_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_fused_matmul(const PrepareRequest& request) {
  if (!request.is_constant(1)) return nullptr;
  return std::make_unique<FusedMatMulNode>(request);
}

}  // namespace edgeclip::engine
