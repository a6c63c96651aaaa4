#include <optional>
#include <utility>

#include "engine/cpu/bf16_source.h"
#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;

class FusedMatMulKernel final : public Kernel {
 public:
  FusedMatMulKernel(OneDnnCall call, bool packed, bool bias, bool residual,
                    const dnnl::matmul::primitive_desc& pd, int residual_argument,
                    std::optional<Bf16Source> narrow)
      : call_(std::move(call)), narrow_(std::move(narrow)) {
    source_ = call_.bind(DNNL_ARG_SRC, pd.src_desc());
    destination_ = call_.bind(DNNL_ARG_DST, pd.dst_desc());
    if (!packed) weights_ = call_.bind(DNNL_ARG_WEIGHTS, pd.weights_desc());
    if (bias) bias_ = call_.bind(DNNL_ARG_BIAS, pd.query_md(dnnl::query::weights_md, 1));
    if (residual) residual_ = call_.bind(residual_argument, pd.dst_desc());
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(source_, narrow_ ? narrow_->convert(inputs[0].as<float>()) : inputs[0].data);
    call_.set(destination_, outputs[0].data);
    if (weights_) call_.set(*weights_, inputs[1].data);
    if (bias_) call_.set(*bias_, inputs[2].data);
    if (residual_) call_.set(*residual_, inputs[3].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  std::optional<Bf16Source> narrow_;
  std::size_t source_ = 0, destination_ = 0;
  std::optional<std::size_t> weights_, bias_, residual_;
};

class FusedMatMulNode final : public CpuNode {
 public:
  explicit FusedMatMulNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state),
        activation_(activation_of(request.node)),
        weights_(request.constants[1]),
        type_(weights_.dtype == DType::bf16 && bf16_products() ? dnnl::memory::data_type::bf16 : kF32) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Inputs& in = request.inputs;
    const bool constant = weights_.data != nullptr;
    if (in[0].dtype != DType::f32 || (in[1].dtype != DType::f32 && !constant)) return nullptr;
    const std::int64_t k = in[1].shape[0], n = in[1].shape[1], m = in[0].elements() / k;
    const bool bias = node.has_input(2), residual = node.has_input(3);

    dnnl::primitive_attr attributes = onednn_attributes();
    dnnl::post_ops post;
    append_activation(post, activation_);
    const dnnl::memory::desc source = dense_desc({m, k}, type_), plain = dense_desc({k, n}, kF32),
                             destination = dense_desc({m, n}, kF32);
    int residual_argument = 0;
    if (residual) {
      residual_argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(post.len()) | DNNL_ARG_SRC_1;
      post.append_binary(dnnl::algorithm::binary_add, destination);
    }
    attributes.set_post_ops(post);

    const auto describe = [&](const dnnl::memory::desc& weights) {
      const auto desc = bias ? dnnl::matmul::desc(source, weights, dense_desc({1, n}, kF32), destination)
                             : dnnl::matmul::desc(source, weights, destination);
      return dnnl::matmul::primitive_desc(desc, attributes, onednn_engine());
    };
    const dnnl::matmul::primitive_desc pd = constant ? describe_packed(plain, describe) : describe(plain);
    OneDnnCall call(dnnl::matmul(pd), pd, request.scratch);
    if (constant) call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights_, plain, pd.weights_desc()));
    std::optional<Bf16Source> narrow;
    if (type_ != kF32) narrow.emplace(request, pd.scratchpad_desc().get_size(), m * k);
    return std::make_unique<FusedMatMulKernel>(std::move(call), constant, bias, residual, pd,
                                               residual_argument, std::move(narrow));
  }

  /// oneDNN's choice of a form follows the number of rows; the one that exists serves as well, and each
  /// further one is another copy of the weights.
  template <class Describe>
  dnnl::matmul::primitive_desc describe_packed(const dnnl::memory::desc& plain,
                                               const Describe& describe) const {
    const dnnl::memory::desc any(plain.dims(), type_, dnnl::memory::format_tag::any);
    dnnl::matmul::primitive_desc best = describe(any);
    const auto existing = state_.weights.existing(weights_.data, plain);
    if (!existing || best.weights_desc() == *existing) return best;
    try {
      const dnnl::matmul::primitive_desc same = describe(*existing);
      if (std::string(same.impl_info_str()) == best.impl_info_str()) return same;
    } catch (const dnnl::error& error) {
      if (error.status != dnnl_unimplemented) throw;
    }
    return best;
  }

  const Activation activation_;
  const TensorView weights_;  ///< data where they are a constant
  const dnnl::memory::data_type type_;  ///< of the products' operands
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_fused_matmul(const PrepareRequest& request) {
  return std::make_unique<FusedMatMulNode>(request);
}

}  // namespace edgeclip::engine
