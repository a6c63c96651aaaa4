#include "engine/ops/quant_conv.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "engine/cpu/conv_window.h"
#include "engine/cpu/int8_products.h"
#include "engine/cpu/quantize.h"

namespace edgeclip::engine {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using ConvPd = dnnl::convolution_forward::primitive_desc;

/// What one session knows of a node.
struct PreparedConv {
  QuantConvAttributes attributes;
  Int8Path path = Int8Path::exact;
  const std::byte* weights = nullptr;
  ProductScales scales;
  const float* bias = nullptr;  ///< as it is given
};

/// One convolution, on one path.  Throws dnnl::error (unimplemented) where the library has nothing but its
/// own reference for 8-bit operands, or something wrong.
class OneDnnQuantConv final : public Kernel {
 public:
  OneDnnQuantConv(const Node& node, const PreparedConv& prepared, Int8Path path, CpuState& state,
                  const BindRequest& request)
      : attributes_(prepared.attributes),
        widened_(path == Int8Path::widened),
        source_(path, request.inputs[kQuantConvX].dtype, prepared.attributes.x_zero_point,
                request.inputs[kQuantConvX].elements(), request),
        scratch_(request.scratch),
        executor_(request.executor),
        call_(request) {
    const Shape &w = request.inputs[kQuantConvW].shape, &y = request.outputs[0].shape;
    const Layout layout = request.layouts.outputs[0];
    const OutputQuantization& output = attributes_.output;
    const bool residual = node.has_input(kQuantConvResidual),
               // Partial sums of float32 lie in the destination, which may be the residual.
        apart = widened_ && (output.quantizes() || residual);
    stores_float_ = apart || !output.quantizes();
    // A residual of 8 bits is added as it is: sums are counted in its steps until then.
    const bool in_steps = residual && !widened_ && attributes_.residual_scale;
    // The sum's own operand is the destination, which takes a residual of its type.
    adds_to_destination_ = residual && (in_steps ? request.inputs[kQuantConvResidual].dtype == request.outputs[0].dtype
                                                 : stores_float_);
    std::vector<float> scales = prepared.scales.scales;
    if (!widened_) bias_ = prepared.scales.bias;
    if (in_steps) count_in_steps(scales);
    const bool bias = !bias_.empty();
    if (widened_ && residual) residual_scales_ = prepared.scales.scales;
    channels_last_ = layout == Layout::channels_last;
    const memory::desc bias_desc = bias ? dense_desc({w[0]}, kF32) : memory::desc();
    const memory::dims weight_dims = conv_weight_dims(node, w);
    const memory::desc plain = dense_desc(weight_dims, memory::data_type::s8),
                       any(weight_dims, widened_ ? kF32 : memory::data_type::s8, memory::format_tag::any);
    memory::dims per_filter(y.size(), 1);
    per_filter[1] = w[0];
    const memory::desc filter_desc = dense_desc(per_filter, kF32);

    Activation activation = attributes_.activation;
    // Multiplication by a positive number changes places with these activations.
    const bool commutes = activation.kind == Activation::kNone || activation.kind == Activation::kRelu ||
                          activation.kind == Activation::kLeakyRelu || activation.kind == Activation::kClip,
               folds = !stores_float_ && !residual && commutes, linear = activation.kind == Activation::kHardSigmoid;
    const float step = in_steps ? *attributes_.residual_scale : 1;  // of what the activation gets
    if (!commutes && !linear && in_steps && !stores_float_)  // oneDNN 2.6 takes the first factor for the second as well
      throw dnnl::error(dnnl_unimplemented, "two factors around an activation");
    if (activation.kind == Activation::kClip && (folds || in_steps)) {
      const float unit = folds ? output.scale : step;
      activation.alpha /= unit;
      activation.beta /= unit;
    }
    if (folds)
      for (float& scale : scales) scale /= output.scale;
    const ConvWindow window = conv_window(node, request, w);
    int residual_at = -1, scales_at = -1;  // among the post-operations
    const auto residual_type = residual ? onednn_type(request.inputs[kQuantConvResidual].dtype) : kF32;
    const auto residual_desc = [&](const WindowSlice& slice) { return layout_desc(slice.y, layout, residual_type); };
    const auto describe = [&](const WindowSlice& slice, const memory::desc& weights) {
      dnnl::primitive_attr attributes = onednn_attributes();
      if (source_.zero_point() != 0) attributes.set_zero_points(DNNL_ARG_SRC, 0, {source_.zero_point()});
      dnnl::post_ops post;
      if (adds_to_destination_) post.append_sum(1);
      if (widened_) {
        // float32 convolutions have no scales of their own.  The residual is divided by them beforehand: some
        // convolutions in groups read one behind the sum at wrong places (oneDNN 2.6, gemm:jit).
        scales_at = post.len();
        post.append_binary(algorithm::binary_mul, filter_desc);
        if (prepared.bias) post.append_binary(algorithm::binary_add, filter_desc);
      } else {
        attributes.set_output_scales(1 << 1, scales);
        if (residual && !adds_to_destination_) {
          residual_at = post.len();
          post.append_binary(algorithm::binary_add, residual_desc(slice));
        }
      }
      const auto multiply = [&post](float factor) {
        if (factor != 1) post.append_eltwise(1, algorithm::eltwise_linear, factor, 0);
      };
      const float steps_out = stores_float_ ? 1 : 1 / output.scale;
      if (linear) {  // a factor itself, and there may be one alone
        post.append_eltwise(1, algorithm::eltwise_linear, activation.alpha * step * steps_out, activation.beta * steps_out);
        post.append_eltwise(1, algorithm::eltwise_clip, 0, steps_out);
      } else {
        if (!commutes) multiply(step);
        append_activation(post, activation);
        if (!folds) multiply((commutes ? step : 1) * steps_out);
      }
      attributes.set_post_ops(post);
      if (!stores_float_ && output.zero_point != 0)
        attributes.set_zero_points(DNNL_ARG_DST, 0, {output.zero_point});
      const ConvPd pd(
          {dnnl::prop_kind::forward_inference, algorithm::convolution_direct,
           layout_desc(slice.x, request.layouts.inputs[kQuantConvX], source_.type()), weights, bias_desc,
           layout_desc(slice.y, layout, stores_float_ ? kF32 : onednn_type(output.dtype)), window.strides,
           window.dilations, slice.before, slice.after},
          attributes, onednn_engine());
      const std::string name = pd.impl_info_str();
      // oneDNN 2.6's AVX2 depthwise kernel reads a residual behind odd numbers of channels at wrong places, and
      // what it has for 64-bit ARM ("gemm_s8u8s32:ref") gives other numbers than it should.
      if (!widened_ &&
          (name.find("ref") != std::string::npos || (residual_at >= 0 && name.rfind("jit_uni_int8", 0) == 0)))
        throw dnnl::error(dnnl_unimplemented, "there is no fast form of 8 bits");
      return pd;
    };
    const auto operand = [](int at) { return DNNL_ARG_ATTR_MULTIPLE_POST_OP(at) | DNNL_ARG_SRC_1; };
    const auto constant = [&](const float* values) {
      return memory(filter_desc, onednn_engine(), const_cast<float*>(values));
    };
    add_slices<dnnl::convolution_forward>(
        call_, window.slices,
        [&](const WindowSlice& slice) {
          return describe_packed(state.weights, prepared.weights, plain, any,
                                 [&](const memory::desc& weights) { return describe(slice, weights); });
        },
        [&](const WindowSlice& slice, const ConvPd& pd) {
          source_slot_ = call_.bind(DNNL_ARG_SRC, pd.src_desc(), slice.x_at);
          destination_slot_ = call_.bind(DNNL_ARG_DST, pd.dst_desc(), slice.y_at);
          call_.bind(DNNL_ARG_WEIGHTS, state.weights.get(prepared.weights, plain, pd.weights_desc()));
          if (bias)
            call_.bind(DNNL_ARG_BIAS,
                       memory(bias_desc, onednn_engine(), bias_.data()));
          if (widened_) call_.bind(operand(scales_at), constant(prepared.scales.scales.data()));
          if (widened_ && prepared.bias) call_.bind(operand(scales_at + 1), constant(prepared.bias));
          if (residual_at >= 0)
            residual_slot_ = call_.bind(operand(residual_at), residual_desc(slice), slice.y_at);
        });

    const std::size_t end = source_.reserve(call_.scratch_bytes());
    if (apart) {
      product_offset_ = (end + 63) / 64 * 64;
      scratch_.reserve(*product_offset_ + static_cast<std::size_t>(num_elements(y)) * sizeof(float));
    }
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    std::byte* const product = product_offset_ ? scratch_.data() + *product_offset_ : outputs[0].data;
    call_.set(source_slot_, source_.convert(inputs[kQuantConvX].data));
    call_.set(destination_slot_, product);
    if (residual_slot_) call_.set(*residual_slot_, inputs[kQuantConvResidual].data);
    // The sum is on top of what the destination holds, which the memory plan has made the residual wherever
    // nobody else reads that.
    if (widened_ && adds_to_destination_)
      divide_residual(inputs[kQuantConvResidual], reinterpret_cast<float*>(product));
    else if (adds_to_destination_ && inputs[kQuantConvResidual].data != product)
      std::memcpy(product, inputs[kQuantConvResidual].data, inputs[kQuantConvResidual].bytes());
    call_.run();
    if (!product_offset_) return;
    if (attributes_.output.quantizes())
      quantize_elements(executor_, reinterpret_cast<const float*>(product), attributes_.output, outputs[0]);
    else
      std::memcpy(outputs[0].data, product, outputs[0].view().bytes());
  }

  std::string implementation() const override {
    return call_.implementation() + (widened_ ? " (int8 widened to float32)" : "");
  }

 private:
  /// Sums in steps of the residual, whose zero point is taken off in the bias.
  void count_in_steps(std::vector<float>& scales) {
    const float step = *attributes_.residual_scale, zero = static_cast<float>(attributes_.residual_zero_point);
    bias_.resize(scales.size(), 0);
    for (std::size_t m = 0; m < scales.size(); ++m) {
      scales[m] /= step;
      bias_[m] -= zero / scales[m];
      if (!std::isfinite(bias_[m]) || !std::isfinite(scales[m]) || scales[m] == 0)
        throw dnnl::error(dnnl_unimplemented, "a filter's scale lies too far from the residual's");
    }
  }

  /// residual / scale of its filter, in the output's layout.
  void divide_residual(const TensorView& residual, float* quotient) const {
    const auto filters = static_cast<std::int64_t>(residual_scales_.size()), n = residual.elements();
    const std::int64_t width = channels_last_ ? filters : n / (residual.shape[0] * filters), rows = n / width;
    const float* scales = residual_scales_.data();
    parallel_rows(executor_, rows, width, [&](std::int64_t r) {
      for (std::int64_t i = 0; i < width; ++i)
        quotient[r * width + i] =
            residual_at(residual, r * width + i, attributes_) / scales[channels_last_ ? i : r % filters];
    });
  }

  const QuantConvAttributes attributes_;
  const bool widened_;
  Int8Source source_;
  Scratch& scratch_;
  kernels::Executor& executor_;
  DividedCall call_;
  std::size_t source_slot_ = 0, destination_slot_ = 0;
  std::optional<std::size_t> residual_slot_;
  std::optional<std::size_t> product_offset_;  ///< of a float32 result that does not lie in the output
  std::vector<float> residual_scales_;         ///< of filters, where the residual is divided by them
  std::vector<float> bias_;                    ///< divided by the scales; empty where there is none
  bool channels_last_ = false, stores_float_ = false, adds_to_destination_ = false;
};

class QuantConvNode final : public CpuNode {
 public:
  QuantConvNode(const PrepareRequest& request, PreparedConv prepared)
      : CpuNode(request.node, request.state), prepared_(std::move(prepared)) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>&) const override {
    Layouts layouts = channels_last_through(inputs, outputs);
    if (node.has_input(kQuantConvResidual)) layouts.inputs[kQuantConvResidual] = layouts.outputs[0];
    return layouts;
  }

  bool in_place(std::size_t i, const Inputs& inputs, const Outputs& outputs) const override {
    return i == kQuantConvResidual && inputs[i].dtype == outputs[0].dtype;
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (prepared_.path != Int8Path::widened) {
      try {
        return std::make_unique<OneDnnQuantConv>(node, prepared_, prepared_.path, state_, request);
      } catch (const dnnl::error& error) {
        if (error.status != dnnl_unimplemented) throw;
      }
    }
    return std::make_unique<OneDnnQuantConv>(node, prepared_, Int8Path::widened, state_, request);
  }

  const PreparedConv prepared_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_quant_conv(const PrepareRequest& request, Int8Path path) {
  const Inputs& in = request.constants;
  // The node's rule refuses what does not fit, once shapes are known.
  if (!request.is_constant(kQuantConvW) || in[kQuantConvW].dtype != DType::i8 ||
      in[kQuantConvW].shape.size() < 3)
    return nullptr;
  PreparedConv prepared{quant_conv_attributes(request.node), path, in[kQuantConvW].data, {}, nullptr};
  auto scales = product_scales(request, kQuantConvWScale, kQuantConvBias, in[kQuantConvW].shape[0],
                               prepared.attributes.x_scale);
  if (!scales) return nullptr;
  prepared.scales = std::move(*scales);
  if (request.node.has_input(kQuantConvBias)) prepared.bias = in[kQuantConvBias].as<float>();
  return std::make_unique<QuantConvNode>(request, std::move(prepared));
}

std::unique_ptr<PreparedNode> prepare_quant_conv(const PrepareRequest& request) {
  if (!request.is_constant(kQuantConvW) || request.constants[kQuantConvW].dtype != DType::i8 ||
      request.constants[kQuantConvW].shape.size() < 3)
    return nullptr;
  const TensorView& w = request.constants[kQuantConvW];
  return prepare_quant_conv(
      request, int8_path(w, w.elements() / std::max<std::int64_t>(1, w.shape[0]), int8_products_saturate()));
}

}  // namespace edgeclip::engine
