#include "engine/cpu/families.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;

class ConvKernel : public Kernel {
 public:
  ConvKernel(OneDnnCall call, const dnnl::convolution_forward::primitive_desc& pd, bool packed, bool bias)
      : call_(std::move(call)) {
    source_ = call_.bind(DNNL_ARG_SRC, pd.src_desc());
    if (!packed) weights_ = call_.bind(DNNL_ARG_WEIGHTS, pd.weights_desc());
    if (bias) bias_ = call_.bind(DNNL_ARG_BIAS, pd.bias_desc());
    destination_ = call_.bind(DNNL_ARG_DST, pd.dst_desc());
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(source_, inputs[0].data);
    if (weights_) call_.set(*weights_, inputs[1].data);
    if (bias_) call_.set(*bias_, inputs[2].data);
    call_.set(destination_, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  std::size_t source_ = 0, destination_ = 0;
  std::optional<std::size_t> weights_, bias_;
};

/// Padding before the first row and column.  What is needed behind the last ones follows from the output's
/// size.
std::optional<Dims> padding_before(const Node& node, const Dims& total) {
  const std::string mode = node.string_or("auto_pad", "NOTSET");
  if (mode == "NOTSET") {
    const auto pads = node.ints_or("pads", {0, 0, 0, 0});
    if (pads.size() != 4) return std::nullopt;
    return Dims{pads[0], pads[1]};
  }
  if (mode == "VALID") return Dims{0, 0};
  Dims before(2);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t all = std::max<std::int64_t>(total[i], 0);
    before[i] = mode == "SAME_LOWER" ? all - all / 2 : all / 2;
  }
  return before;
}

}  // namespace

std::unique_ptr<Kernel> make_onednn_conv(const KernelRequest& request) {
  const Node& node = request.node;
  if (!node.is("Conv")) return nullptr;
  const Shape &x = request.inputs[0].shape, &w = request.inputs[1].shape, &y = request.outputs[0].shape;
  if (request.inputs[0].dtype != DType::f32 || x.size() != 4 || w.size() != 4) return nullptr;
  const auto stride = node.ints_or("strides", {1, 1}), dilation = node.ints_or("dilations", {1, 1});
  const std::int64_t groups = node.int_or("group", 1);
  if (stride.size() != 2 || dilation.size() != 2 || groups < 1 || w[0] % groups != 0) return nullptr;

  // Rows (and columns) that the kernel reaches over for this output, less those that there are: all of the
  // padding.
  Dims total(2);
  for (std::size_t i = 0; i < 2; ++i)
    total[i] = (y[i + 2] - 1) * stride[i] + (w[i + 2] - 1) * dilation[i] + 1 - x[i + 2];
  const auto before = padding_before(node, total);
  if (!before) return nullptr;
  const Dims behind = {total[0] - (*before)[0],
                       total[1] - (*before)[1]};  // negative: the last rows are not reached

  const bool bias = node.has_input(2);
  const bool packed = request.inputs[1].data != nullptr;
  const Dims weight_dims = groups == 1 ? Dims(w) : Dims{groups, w[0] / groups, w[1], w[2], w[3]};
  const dnnl::memory::desc source = dense_desc(x, kF32), destination = dense_desc(y, kF32),
                           plain = dense_desc(weight_dims, kF32);
  const dnnl::memory::desc weights =
      packed ? dnnl::memory::desc(weight_dims, kF32, dnnl::memory::format_tag::any) : plain;
  const dnnl::memory::desc bias_desc = bias ? dense_desc({w[0]}, kF32) : dnnl::memory::desc();
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source, weights, bias_desc,
      destination, Dims(stride), {dilation[0] - 1, dilation[1] - 1}, *before, behind);
  const dnnl::convolution_forward::primitive_desc pd(desc, onednn_attributes(), onednn_engine());
  OneDnnCall call(dnnl::convolution_forward(pd), pd, request);
  if (packed)
    call.bind(DNNL_ARG_WEIGHTS, request.weights.get(request.inputs[1].data, plain, pd.weights_desc()));
  return std::make_unique<ConvKernel>(std::move(call), pd, packed, bias);
}

}  // namespace edgeclip::engine
