#include <optional>
#include <string>
#include <utility>

#include "engine/cpu/centred_weights.h"
#include "engine/cpu/conv_window.h"
#include "engine/cpu/int8_products.h"

/// MatMulInteger and ConvInteger by constant weights: exact sums as int32.  The zero point of the activations
/// may be computed while the graph runs (DynamicQuantizeLinear).
namespace edgeclip::engine {
namespace {

using dnnl::memory;

enum IntegerInput : std::size_t { kIntegerX = 0, kIntegerW, kIntegerXZero, kIntegerWZero };

/// One product or convolution whose zero point is read at every run.
class IntegerKernel final : public Kernel {
 public:
  template <class PrimitiveDesc>
  IntegerKernel(OneDnnCall call, const PrimitiveDesc& pd, const memory::desc& source, Int8Source operand,
                std::int32_t shift, std::optional<std::int32_t> zero_point)
      : call_(std::move(call)), operand_(std::move(operand)), shift_(shift), zero_point_(zero_point) {
    source_ = call_.bind(DNNL_ARG_SRC, source);
    destination_ = call_.bind(DNNL_ARG_DST, pd.dst_desc());
    zero_ = call_.bind(DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, dense_desc({1}, memory::data_type::s32));
    operand_.reserve(pd.scratchpad_desc().get_size());
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    std::int32_t zero = shift_;
    if (zero_point_)
      zero += *zero_point_;
    else
      zero += byte_at(inputs[kIntegerXZero], 0);
    call_.set(source_, operand_.convert(inputs[kIntegerX].data));
    call_.set(zero_, reinterpret_cast<const std::byte*>(&zero));
    call_.set(destination_, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  Int8Source operand_;
  const std::int32_t shift_;                      ///< what moving the operand to uint8 adds
  const std::optional<std::int32_t> zero_point_;  ///< of the operand as it is given, where it is known
  std::size_t source_ = 0, destination_ = 0, zero_ = 0;
};

class IntegerNode final : public CpuNode {
 public:
  IntegerNode(const PrepareRequest& request, Tensor weights, Int8Path path,
              std::optional<std::int32_t> zero_point)
      : CpuNode(request.node, request.state),
        weights_(std::move(weights)),
        path_(path),
        zero_point_(zero_point) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    return convolves() ? channels_last_through(inputs, outputs)
                       : PreparedNode::layouts(inputs, outputs, given);
  }

 private:
  bool convolves() const { return node.op == "ConvInteger"; }

  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Inputs& in = request.inputs;
    if (in[kIntegerX].shape.size() > 5 || (!zero_point_ && in[kIntegerXZero].elements() != 1)) return nullptr;
    const bool shifted = path_ == Int8Path::shifted && in[kIntegerX].dtype == DType::i8;
    Int8Source operand(path_, in[kIntegerX].dtype, 0, in[kIntegerX].elements(), request);
    dnnl::primitive_attr attributes = onednn_attributes();
    attributes.set_zero_points(DNNL_ARG_SRC, 0, {DNNL_RUNTIME_S32_VAL});
    return convolves() ? bind_conv(request, std::move(operand), attributes, shifted ? 128 : 0)
                       : bind_matmul(request, std::move(operand), attributes, shifted ? 128 : 0);
  }

  std::unique_ptr<Kernel> bind_matmul(const BindRequest& request, Int8Source operand,
                                      const dnnl::primitive_attr& attributes, std::int32_t shift) const {
    const std::int64_t k = weights_.dim(0), n = weights_.dim(1), m = request.inputs[kIntegerX].elements() / k;
    const memory::desc source = dense_desc({m, k}, operand.type()),
                       weights({k, n}, memory::data_type::s8, memory::format_tag::any),
                       destination = dense_desc({m, n}, memory::data_type::s32);
    const dnnl::matmul::primitive_desc pd({source, weights, destination}, attributes, onednn_engine());
    return finish(dnnl::matmul(pd), pd, dense_desc({k, n}, memory::data_type::s8), source, std::move(operand),
                  shift, request);
  }

  std::unique_ptr<Kernel> bind_conv(const BindRequest& request, Int8Source operand,
                                    const dnnl::primitive_attr& attributes, std::int32_t shift) const {
    const Shape &x = request.inputs[kIntegerX].shape, &w = weights_.shape();
    const ConvWindow window = conv_window(node, x, w);
    const memory::dims dims = conv_weight_dims(node, w);
    const memory::desc source = layout_desc(x, request.layouts.inputs[kIntegerX], operand.type()),
                       weights(dims, memory::data_type::s8, memory::format_tag::any),
                       destination = layout_desc(request.outputs[0].shape, request.layouts.outputs[0],
                                                 memory::data_type::s32);
    const dnnl::convolution_forward::desc desc(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source, weights, destination,
        window.strides, window.dilations, window.before, window.after);
    const dnnl::convolution_forward::primitive_desc pd(desc, attributes, onednn_engine());
    return finish(dnnl::convolution_forward(pd), pd, dense_desc(dims, memory::data_type::s8), source,
                  std::move(operand), shift, request);
  }

  template <class PrimitiveDesc>
  std::unique_ptr<Kernel> finish(const dnnl::primitive& primitive, const PrimitiveDesc& pd,
                                 const memory::desc& plain, const memory::desc& source, Int8Source operand,
                                 std::int32_t shift, const BindRequest& request) const {
    OneDnnCall call(primitive, pd, request.scratch);
    call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights_.raw(), plain, pd.weights_desc()));
    return std::make_unique<IntegerKernel>(std::move(call), pd, source, std::move(operand), shift,
                                           zero_point_);
  }

  const Tensor weights_;  ///< less their zero points
  const Int8Path path_;
  const std::optional<std::int32_t> zero_point_;  ///< of the activations, where it is known
};

/// axis: of the weights, along which they may have several zero points.
std::unique_ptr<PreparedNode> prepare_integer(const PrepareRequest& request, std::size_t axis) {
  const Inputs& in = request.constants;
  const TensorView& w = in[kIntegerW];
  const std::int64_t count = w.shape[axis];
  TensorView zero;
  if (request.node.has_input(kIntegerWZero)) {
    zero = in[kIntegerWZero];
    if (!is_byte_constant(zero) || (zero.elements() != 1 && zero.elements() != count)) return nullptr;
  }
  auto weights = centred_weights(w, zero, count, axis == 0 ? w.elements() / count : 1);
  if (!weights) return nullptr;
  std::optional<std::int32_t> zero_point;
  if (!request.node.has_input(kIntegerXZero))
    zero_point = 0;
  else if (request.is_constant(kIntegerXZero) && is_byte_constant(in[kIntegerXZero]) &&
           in[kIntegerXZero].elements() == 1)
    zero_point = byte_at(in[kIntegerXZero], 0);
  const Int8Path path = int8_path(weights->view(), w.elements() / count, int8_products_saturate());
  if (path == Int8Path::widened) return nullptr;  // its sums are not exact
  return std::make_unique<IntegerNode>(request, std::move(*weights), path, zero_point);
}

}  // namespace

std::unique_ptr<PreparedNode> prepare_matmul_integer(const PrepareRequest& request) {
  const TensorView& w = request.constants[kIntegerW];
  if (!is_byte_constant(w) || w.shape.size() != 2 || w.elements() == 0) return nullptr;
  return prepare_integer(request, 1);
}

std::unique_ptr<PreparedNode> prepare_conv_integer(const PrepareRequest& request) {
  const TensorView& w = request.constants[kIntegerW];
  if (!is_byte_constant(w) || w.shape.size() < 3 || w.shape.size() > 5 || w.elements() == 0) return nullptr;
  return prepare_integer(request, 0);
}

}  // namespace edgeclip::engine
