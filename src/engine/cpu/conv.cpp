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
  struct Slots {
    std::size_t source = 0, destination = 0;
    std::optional<std::size_t> weights, bias;
  };
  ConvKernel(DividedCall call, const Slots& slots, bool residual, std::optional<Bf16Source> narrow)
      : call_(std::move(call)), slots_(slots), narrow_(std::move(narrow)), residual_(residual) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(slots_.source, narrow_ ? narrow_->convert(inputs[kX].as<float>()) : inputs[kX].data);
    if (slots_.weights) call_.set(*slots_.weights, inputs[kW].data);
    if (slots_.bias) call_.set(*slots_.bias, inputs[kBias].data);
    call_.set(slots_.destination, outputs[0].data);
    // The sum is on top of what the destination holds, which the memory plan has made the residual wherever
    // nobody else reads that.
    if (residual_ && inputs[kResidual].data != outputs[0].data)
      std::memcpy(outputs[0].data, inputs[kResidual].data, inputs[kResidual].bytes());
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  DividedCall call_;
  const Slots slots_;
  std::optional<Bf16Source> narrow_;
  const bool residual_;
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
    const Shape &x = in[kX].shape, &w = in[kW].shape;
    const bool packed = weights_.data != nullptr;
    if (in[kX].dtype != DType::f32 || x.size() > 5 || (in[kW].dtype != DType::f32 && !packed)) return nullptr;
    const ConvWindow window = conv_window(node, request, w);

    const bool bias = node.has_input(kBias), residual = node.has_input(kResidual);
    const Dims weight_dims = conv_weight_dims(node, w);
    const dnnl::memory::desc plain = dense_desc(weight_dims, kF32),
                             any(weight_dims, type_, dnnl::memory::format_tag::any);
    const dnnl::memory::desc bias_desc = bias ? dense_desc({w[0]}, kF32) : dnnl::memory::desc();
    dnnl::primitive_attr attributes = onednn_attributes();
    dnnl::post_ops post;
    if (residual) post.append_sum(1);
    append_activation(post, activation_);
    attributes.set_post_ops(post);
    const auto describe = [&](const WindowSlice& slice, const dnnl::memory::desc& weights) {
      return dnnl::convolution_forward::primitive_desc(
          {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
           layout_desc(slice.x, request.layouts.inputs[kX], type_), weights, bias_desc,
           layout_desc(slice.y, request.layouts.outputs[0], kF32), window.strides, window.dilations,
           slice.before, slice.after},
          attributes, onednn_engine());
    };
    if (auto kernel = bind_by_filters(request, window, attributes)) return kernel;
    DividedCall call(request);
    ConvKernel::Slots slots;
    add_slices<dnnl::convolution_forward>(
        call, window.slices,
        [&](const WindowSlice& slice) {
          if (!packed) return describe(slice, plain);
          return describe_packed(state_.weights, weights_.data, plain, any,
                                 [&](const dnnl::memory::desc& weights) { return describe(slice, weights); });
        },
        [&](const WindowSlice& slice, const dnnl::convolution_forward::primitive_desc& pd) {
          slots.source = call.bind(DNNL_ARG_SRC, pd.src_desc(), slice.x_at);
          slots.destination = call.bind(DNNL_ARG_DST, pd.dst_desc(), slice.y_at);
          if (packed)
            call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights_, plain, pd.weights_desc()));
          else
            slots.weights = call.bind(DNNL_ARG_WEIGHTS, pd.weights_desc());
          if (bias) slots.bias = call.bind(DNNL_ARG_BIAS, pd.bias_desc());
        });
    std::optional<Bf16Source> narrow;
    if (type_ != kF32) narrow.emplace(request, call.scratch_bytes(), in[kX].elements());
    return std::make_unique<ConvKernel>(std::move(call), slots, residual, std::move(narrow));
  }

  /// Where weights are large beside an image's pixels, slices of filters: each thread reads a part of the
  /// weights and all of the input.  Whatever the batch, so that weights are packed once.  nullptr where that
  /// is not so.
  std::unique_ptr<Kernel> bind_by_filters(const BindRequest& request, const ConvWindow& window,
                                          const dnnl::primitive_attr& attributes) const {
    constexpr std::int64_t kProducts = 512, kFilters = 64, kMostOfThread = 2;
    const Shape &x = request.inputs[kX].shape, &w = request.inputs[kW].shape, &y = request.outputs[0].shape;
    const std::int64_t moved = (num_elements(x) + num_elements(y)) / x[0], pixels = num_elements(y) / w[0],
                       each = num_elements(w) / w[0];
    // A result of few products is not worth copying.
    if (weights_.data == nullptr || num_elements(w) < moved || each < kProducts ||
        node.int_or("group", 1) != 1 ||
        normalized(request.layouts.outputs[0], y) != normalized(Layout::channels_last, y))
      return nullptr;
    // By the work for one image.
    const std::vector<Range> ranges = divided(w[0], pixels / x[0] * num_elements(w) / kMacsOfElement,
                                              request.executor.threads(), kFilters, kMostOfThread);
    if (ranges.size() < 2) return nullptr;
    const bool bias = node.has_input(kBias), adds = node.has_input(kResidual);
    const auto part = [](Shape shape, std::size_t axis, const Range& filters) {
      shape[axis] = filters.length();
      return shape;
    };
    DividedCall call(request);
    ConvKernel::Slots slots;
    for (const Range& filters : ranges) {
      const Shape part_w = part(w, 0, filters);
      const dnnl::memory::desc plain = dense_desc(part_w, kF32);
      TensorView weights = weights_;
      weights.shape = part_w;
      weights.data += static_cast<std::size_t>(filters.begin * each) * dtype_size(weights.dtype);
      const auto pd =
          describe_packed(state_.weights, weights.data, plain, {part_w, type_, dnnl::memory::format_tag::any},
                          [&](const dnnl::memory::desc& form) {
                            return dnnl::convolution_forward::primitive_desc(
                                {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                 layout_desc(x, request.layouts.inputs[kX], type_), form,
                                 bias ? dense_desc({filters.length()}, kF32) : dnnl::memory::desc(),
                                 layout_desc(part(y, 1, filters), Layout::channels_last, kF32),
                                 window.strides, window.dilations, window.before, window.after},
                                attributes, onednn_engine());
                          });
      call.add(dnnl::convolution_forward(pd), pd);
      slots.source = call.bind(DNNL_ARG_SRC, pd.src_desc());
      slots.destination = call.bind_columns(DNNL_ARG_DST, pd.dst_desc(), filters.begin,
                                            {pixels, filters.length(), w[0], adds});
      call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights, plain, pd.weights_desc()));
      if (bias) slots.bias = call.bind(DNNL_ARG_BIAS, pd.bias_desc(), filters.begin);
    }
    std::optional<Bf16Source> narrow;
    if (type_ != kF32) narrow.emplace(request, call.scratch_bytes(), num_elements(x));
    return std::make_unique<ConvKernel>(std::move(call), slots, adds, std::move(narrow));
  }

  const Activation activation_;
  const TensorView weights_;            ///< data where they are a constant
  const dnnl::memory::data_type type_;  ///< of the products' operands
};

class ConvTransposeKernel final : public Kernel {
 public:
  enum Slot : std::size_t { kSource, kDestination, kAdded };
  ConvTransposeKernel(DividedCall call, bool bias) : call_(std::move(call)), bias_(bias) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(kSource, inputs[kX].data);
    if (bias_) call_.set(kAdded, inputs[kBias].data);
    call_.set(kDestination, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  DividedCall call_;
  const bool bias_;
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
    Dims dilations = node.ints_or("dilations", Dims(spatial, 1));
    std::vector<WindowDim> window;
    for (std::size_t d = 0; d < spatial; ++d) {
      window.push_back({w[d + 2], strides[d], dilations[d], pads[d], pads[spatial + d], x[d + 2], y[d + 2]});
      --dilations[d];
    }

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
    const dnnl::memory::desc bias_desc = bias ? dense_desc({y[1]}, kF32) : dnnl::memory::desc();
    const std::int64_t macs = num_elements(x) * product(w, 1, w.size());
    DividedCall call(request);
    add_slices<dnnl::deconvolution_forward>(
        call, transposed_slices(window, request, num_elements(x) + num_elements(y) + macs / kMacsOfElement),
        [&](const WindowSlice& slice) {
          return describe_packed(
              state_.weights, weights_, plain, any, [&](const dnnl::memory::desc& weights) {
                return dnnl::deconvolution_forward::primitive_desc(
                    {dnnl::prop_kind::forward_inference, dnnl::algorithm::deconvolution_direct,
                     layout_desc(slice.x, request.layouts.inputs[kX], kF32), weights, bias_desc,
                     layout_desc(slice.y, request.layouts.outputs[0], kF32), strides, dilations, slice.before,
                     slice.after},
                    onednn_attributes(), onednn_engine());
              });
        },
        [&](const WindowSlice& slice, const dnnl::deconvolution_forward::primitive_desc& pd) {
          call.bind(DNNL_ARG_SRC, pd.src_desc(), slice.x_at);
          call.bind(DNNL_ARG_DST, pd.dst_desc(), slice.y_at);
          if (bias) call.bind(DNNL_ARG_BIAS, pd.bias_desc());
          call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights_, plain, pd.weights_desc()));
        });
    return std::make_unique<ConvTransposeKernel>(std::move(call), bias);
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
