#include <cstring>
#include <utility>

#include "engine/cpu/bf16_source.h"
#include "engine/cpu/conv_window.h"
#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;

enum ConvInput : std::size_t { kX = 0, kW, kBias, kResidual };

class ConvKernel final : public Kernel {
 public:
  ConvKernel(OneDnnCall call, const dnnl::convolution_forward::primitive_desc& pd, bool packed, bool bias,
             bool residual, std::optional<Bf16Source> narrow)
      : call_(std::move(call)), narrow_(std::move(narrow)), residual_(residual) {
    source_ = call_.bind(DNNL_ARG_SRC, pd.src_desc());
    if (!packed) weights_ = call_.bind(DNNL_ARG_WEIGHTS, pd.weights_desc());
    if (bias) bias_ = call_.bind(DNNL_ARG_BIAS, pd.bias_desc());
    destination_ = call_.bind(DNNL_ARG_DST, pd.dst_desc());
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(source_, narrow_ ? narrow_->convert(inputs[kX].as<float>()) : inputs[kX].data);
    if (weights_) call_.set(*weights_, inputs[kW].data);
    if (bias_) call_.set(*bias_, inputs[kBias].data);
    call_.set(destination_, outputs[0].data);
    // The sum is on top of what the destination holds, which the memory plan has made the residual wherever
    // nobody else reads that.
    if (residual_ && inputs[kResidual].data != outputs[0].data)
      std::memcpy(outputs[0].data, inputs[kResidual].data, inputs[kResidual].bytes());
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  std::optional<Bf16Source> narrow_;
  const bool residual_;
  std::size_t source_ = 0, destination_ = 0;
  std::optional<std::size_t> weights_, bias_;
};

/// Conv, and FusedConv = activation(Conv + bias + residual).
class ConvNode final : public CpuNode {
 public:
  explicit ConvNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state),
        activation_(activation_of(request.node)),
        weights_(request.constants[kW]),
        type_(weights_.dtype == DType::bf16 && bf16_products() ? dnnl::memory::data_type::bf16 : kF32) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>&) const override {
    Layouts layouts = channels_last_through(inputs, outputs);
    if (node.has_input(kResidual)) layouts.inputs[kResidual] = layouts.outputs[0];
    return layouts;
  }

  bool in_place(std::size_t i, const Inputs&, const Outputs&) const override { return i == kResidual; }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Inputs& in = request.inputs;
    const Shape &x = in[kX].shape, &w = in[kW].shape, &y = request.outputs[0].shape;
    const bool packed = weights_.data != nullptr;
    if (in[kX].dtype != DType::f32 || x.size() > 5 || (in[kW].dtype != DType::f32 && !packed)) return nullptr;
    const ConvWindow window = conv_window(node, x, w);

    const bool bias = node.has_input(kBias), residual = node.has_input(kResidual);
    const Dims weight_dims = conv_weight_dims(node, w);
    const dnnl::memory::desc source = layout_desc(x, request.layouts.inputs[kX], type_),
                             destination = layout_desc(y, request.layouts.outputs[0], kF32),
                             plain = dense_desc(weight_dims, kF32);
    const dnnl::memory::desc weights =
        packed ? dnnl::memory::desc(weight_dims, type_, dnnl::memory::format_tag::any) : plain;
    const dnnl::memory::desc bias_desc = bias ? dense_desc({w[0]}, kF32) : dnnl::memory::desc();
    dnnl::primitive_attr attributes = onednn_attributes();
    dnnl::post_ops post;
    if (residual) post.append_sum(1);
    append_activation(post, activation_);
    attributes.set_post_ops(post);
    const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference,
                                               dnnl::algorithm::convolution_direct, source, weights, bias_desc,
                                               destination, window.strides, window.dilations,
                                               window.before, window.after);
    const dnnl::convolution_forward::primitive_desc pd(desc, attributes, onednn_engine());
    OneDnnCall call(dnnl::convolution_forward(pd), pd, request.scratch);
    if (packed) call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights_, plain, pd.weights_desc()));
    std::optional<Bf16Source> narrow;
    if (type_ != kF32) narrow.emplace(request, pd.scratchpad_desc().get_size(), in[kX].elements());
    return std::make_unique<ConvKernel>(std::move(call), pd, packed, bias, residual, std::move(narrow));
  }

  const Activation activation_;
  const TensorView weights_;            ///< data where they are a constant
  const dnnl::memory::data_type type_;  ///< of the products' operands
};

class ConvTransposeKernel final : public Kernel {
 public:
  ConvTransposeKernel(OneDnnCall call, const dnnl::deconvolution_forward::primitive_desc& pd, bool bias)
      : call_(std::move(call)) {
    source_ = call_.bind(DNNL_ARG_SRC, pd.src_desc());
    if (bias) bias_ = call_.bind(DNNL_ARG_BIAS, pd.bias_desc());
    destination_ = call_.bind(DNNL_ARG_DST, pd.dst_desc());
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(source_, inputs[kX].data);
    if (bias_) call_.set(*bias_, inputs[kBias].data);
    call_.set(destination_, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  std::size_t source_ = 0, destination_ = 0;
  std::optional<std::size_t> bias_;
};

/// Explicit pads only: where SAME and output_shape put the padding is the reference's to say.
class ConvTransposeNode final : public CpuNode {
 public:
  explicit ConvTransposeNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state), weights_(request.constants[kW].data) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>&) const override {
    return channels_last_through(inputs, outputs);
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Inputs& in = request.inputs;
    const Shape &x = in[kX].shape, &w = in[kW].shape, &y = request.outputs[0].shape;
    if (in[kX].dtype != DType::f32 || x.size() > 5 || in[kW].dtype != DType::f32 || !weights_)
      return nullptr;
    if (auto_pad_of(node) != "NOTSET" || node.has("output_shape")) return nullptr;
    const std::size_t spatial = x.size() - 2;
    const std::int64_t groups = node.int_or("group", 1);
    const Dims strides = node.ints_or("strides", Dims(spatial, 1)), pads = node.ints_or("pads", Dims(2 * spatial, 0));
    Dims dilations = node.ints_or("dilations", Dims(spatial, 1)), after;
    for (std::size_t d = 0; d < spatial; ++d) {
      after.push_back((x[d + 2] - 1) * strides[d] + (w[d + 2] - 1) * dilations[d] + 1 - y[d + 2] - pads[d]);
      --dilations[d];
    }
    const Dims before(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(spatial));

    // ONNX: (in, out / groups, ...); oneDNN: (groups, out / groups, in / groups, ...).
    const std::int64_t out = w[1], input = w[0] / groups, taps = product(w, 2, w.size());
    Dims dims = {groups, out, input}, lie = {input * out * taps, taps, out * taps};
    const Dims inner = dense_strides(Dims(w.begin() + 2, w.end()));
    dims.insert(dims.end(), w.begin() + 2, w.end());
    lie.insert(lie.end(), inner.begin(), inner.end());
    if (groups == 1) {
      dims.erase(dims.begin());
      lie.erase(lie.begin());
    }
    const dnnl::memory::desc plain(dims, kF32, lie), any(dims, kF32, dnnl::memory::format_tag::any);
    const bool bias = node.has_input(kBias);
    const dnnl::memory::desc source = layout_desc(x, request.layouts.inputs[kX], kF32),
                             destination = layout_desc(y, request.layouts.outputs[0], kF32),
                             bias_desc = bias ? dense_desc({y[1]}, kF32) : dnnl::memory::desc();
    const dnnl::deconvolution_forward::desc desc(dnnl::prop_kind::forward_inference,
                                                 dnnl::algorithm::deconvolution_direct, source, any,
                                                 bias_desc, destination, strides, dilations, before, after);
    const dnnl::deconvolution_forward::primitive_desc pd(desc, onednn_attributes(), onednn_engine());
    OneDnnCall call(dnnl::deconvolution_forward(pd), pd, request.scratch);
    call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights_, plain, pd.weights_desc()));
    return std::make_unique<ConvTransposeKernel>(std::move(call), pd, bias);
  }

  const std::byte* const weights_;  ///< where they are a constant
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_conv(const PrepareRequest& request) {
  return std::make_unique<ConvNode>(request);
}

std::unique_ptr<PreparedNode> prepare_conv_transpose(const PrepareRequest& request) {
  return std::make_unique<ConvTransposeNode>(request);
}

}  // namespace edgeclip::engine
