#include <optional>
#include <utility>

#include "engine/cpu/bf16_source.h"
#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;

class FusedMatMulKernel final : public Kernel {
 public:
  struct Slots {
    std::size_t source = 0, destination = 0;
    std::optional<std::size_t> weights, bias, residual;
  };
  FusedMatMulKernel(DividedCall call, const Slots& slots, std::optional<Bf16Source> narrow)
      : call_(std::move(call)), slots_(slots), narrow_(std::move(narrow)) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(slots_.source, narrow_ ? narrow_->convert(inputs[0].as<float>()) : inputs[0].data);
    call_.set(slots_.destination, outputs[0].data);
    if (slots_.weights) call_.set(*slots_.weights, inputs[1].data);
    if (slots_.bias) call_.set(*slots_.bias, inputs[2].data);
    if (slots_.residual) call_.set(*slots_.residual, inputs[3].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  DividedCall call_;
  const Slots slots_;
  std::optional<Bf16Source> narrow_;
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

    const dnnl::memory::desc plain = dense_desc({k, n}, kF32), bias_desc = dense_desc({1, n}, kF32),
                             any({k, n}, type_, dnnl::memory::format_tag::any);
    int residual_argument = 0;
    const auto describe = [&](std::int64_t rows, const dnnl::memory::desc& weights) {
      dnnl::primitive_attr attributes = onednn_attributes();
      dnnl::post_ops post;
      append_activation(post, activation_);
      const dnnl::memory::desc source = dense_desc({rows, k}, type_),
                               destination = dense_desc({rows, n}, kF32);
      if (residual) {
        residual_argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(post.len()) | DNNL_ARG_SRC_1;
        post.append_binary(dnnl::algorithm::binary_add, destination);
      }
      attributes.set_post_ops(post);
      const auto desc = bias ? dnnl::matmul::desc(source, weights, bias_desc, destination)
                             : dnnl::matmul::desc(source, weights, destination);
      return dnnl::matmul::primitive_desc(desc, attributes, onednn_engine());
    };
    DividedCall call(request);
    FusedMatMulKernel::Slots slots;
    add_ranges<dnnl::matmul>(
        call, divided(m, m * n * k / kMacsOfElement, request.executor.threads()),
        [&](std::int64_t rows) {
          if (!constant) return describe(rows, plain);
          return describe_packed(state_.weights, weights_.data, plain, any,
                                 [&](const dnnl::memory::desc& weights) { return describe(rows, weights); });
        },
        [&](const Range& rows, const dnnl::matmul::primitive_desc& pd) {
          slots.source = call.bind(DNNL_ARG_SRC, pd.src_desc(), rows.begin * k);
          slots.destination = call.bind(DNNL_ARG_DST, pd.dst_desc(), rows.begin * n);
          if (constant)
            call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights_, plain, pd.weights_desc()));
          else
            slots.weights = call.bind(DNNL_ARG_WEIGHTS, plain);
          if (bias) slots.bias = call.bind(DNNL_ARG_BIAS, bias_desc);
          if (residual) slots.residual = call.bind(residual_argument, pd.dst_desc(), rows.begin * n);
        });
    std::optional<Bf16Source> narrow;
    if (type_ != kF32) narrow.emplace(request, call.scratch_bytes(), m * k);
    return std::make_unique<FusedMatMulKernel>(std::move(call), slots, std::move(narrow));
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
