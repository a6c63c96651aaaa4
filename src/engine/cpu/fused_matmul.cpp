#include <cmath>

#include "engine/cpu/families.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;

class FusedMatMulKernel : public Kernel {
 public:
  FusedMatMulKernel(OneDnnCall call, bool packed, bool bias, bool residual,
                    const dnnl::matmul::primitive_desc& pd, int residual_argument)
      : call_(std::move(call)) {
    source_ = call_.bind(DNNL_ARG_SRC, pd.src_desc());
    destination_ = call_.bind(DNNL_ARG_DST, pd.dst_desc());
    if (!packed) weights_ = call_.bind(DNNL_ARG_WEIGHTS, pd.weights_desc());
    if (bias) bias_ = call_.bind(DNNL_ARG_BIAS, pd.query_md(dnnl::query::weights_md, 1));
    if (residual) residual_ = call_.bind(residual_argument, pd.dst_desc());
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(source_, inputs[0].data);
    call_.set(destination_, outputs[0].data);
    if (weights_) call_.set(*weights_, inputs[1].data);
    if (bias_) call_.set(*bias_, inputs[2].data);
    if (residual_) call_.set(*residual_, inputs[3].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  std::size_t source_ = 0, destination_ = 0;
  std::optional<std::size_t> weights_, bias_, residual_;
};

}  // namespace

std::unique_ptr<Kernel> make_onednn_fused_matmul(const KernelRequest& request) {
  const Node& node = request.node;
  const Inputs& in = request.inputs;
  if (!node.is("FusedMatMul", "edgeclip") || in[0].dtype != DType::f32 || in[1].dtype != DType::f32)
    return nullptr;
  if (in[1].shape.size() != 2 || in[0].shape.empty()) return nullptr;
  const std::int64_t k = in[1].shape[0], n = in[1].shape[1], m = in[0].elements() / k;
  if (in[0].shape.back() != k) return nullptr;
  if (node.has_input(2) && in[2].elements() != n) return nullptr;
  if (node.has_input(3) && in[3].shape != request.outputs[0].shape) return nullptr;

  dnnl::primitive_attr attributes = onednn_attributes();
  dnnl::post_ops post;
  append_activation(post, activation_of(node));
  const dnnl::memory::desc destination = dense_desc({m, n}, kF32);
  int residual_argument = 0;
  if (node.has_input(3)) {
    residual_argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(post.len()) | DNNL_ARG_SRC_1;
    post.append_binary(dnnl::algorithm::binary_add, destination);
  }
  attributes.set_post_ops(post);

  const bool packed = in[1].data != nullptr;
  const dnnl::memory::desc source = dense_desc({m, k}, kF32), plain = dense_desc({k, n}, kF32);
  const dnnl::memory::desc weights =
      packed ? dnnl::memory::desc({k, n}, kF32, dnnl::memory::format_tag::any) : plain;
  const auto desc = node.has_input(2)
                        ? dnnl::matmul::desc(source, weights, dense_desc({1, n}, kF32), destination)
                        : dnnl::matmul::desc(source, weights, destination);
  const dnnl::matmul::primitive_desc pd(desc, attributes, onednn_engine());
  OneDnnCall call(dnnl::matmul(pd), pd, request);
  if (packed) call.bind(DNNL_ARG_WEIGHTS, request.weights.get(in[1].data, plain, pd.weights_desc()));
  return std::make_unique<FusedMatMulKernel>(std::move(call), packed, node.has_input(2), node.has_input(3),
                                             pd, residual_argument);
}

}  // namespace edgeclip::engine
