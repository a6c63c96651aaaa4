#include "engine/cpu/cpu_node.h"
#include "engine/cpu/float_product.h"

namespace edgeclip::engine {

namespace {

class FusedMatMulNode final : public CpuNode {
 public:
  explicit FusedMatMulNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state),
        activation_(activation_of(request.node)),
        weights_(request.constants[kW]),
        bias_(request.node.has_input(kBias) ? request.constants[kBias] : TensorView{}) {}

  static constexpr std::size_t kW = 1, kBias = 2, kResidual = 3;

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const bool biased = node.has_input(kBias);
    if (request.inputs[0].dtype != DType::f32 || (biased && bias_.data == nullptr)) return nullptr;
    FloatProduct product{state_.gemm_weights.of_floats(weights_, request.executor),
                         request.inputs[0].elements() / weights_.shape[0],
                         biased ? bias_.as<float>() : nullptr,
                         activation_,
                         {}};
    if (node.has_input(kResidual)) product.residual = kResidual;
    return make_float_product(std::move(product), request);
  }

  const Activation activation_;
  const TensorView weights_, bias_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_fused_matmul(const PrepareRequest& request) {
  if (!request.is_constant(FusedMatMulNode::kW)) return nullptr;
  return std::make_unique<FusedMatMulNode>(request);
}

}  // namespace edgeclip::engine
