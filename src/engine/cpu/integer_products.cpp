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
  enum Slot : std::size_t { kSource, kDestination, kZero };
  IntegerKernel(DividedCall call, Int8Source operand, std::int32_t shift,
                std::optional<std::int32_t> zero_point)
      : call_(std::move(call)), operand_(std::move(operand)), shift_(shift), zero_point_(zero_point) {
    operand_.reserve(call_.scratch_bytes());
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    std::int32_t zero = shift_;
    if (zero_point_)
      zero += *zero_point_;
    else
      zero += byte_at(inputs[kIntegerXZero], 0);
    call_.set(kSource, operand_.convert(inputs[kIntegerX].data));
    call_.set(kZero, reinterpret_cast<const std::byte*>(&zero));
    call_.set(kDestination, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  DividedCall call_;
  Int8Source operand_;
  const std::int32_t shift_;                      ///< what moving the operand to uint8 adds
  const std::optional<std::int32_t> zero_point_;  ///< of the operand as it is given, where it is known
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
    const memory::desc any({k, n}, memory::data_type::s8, memory::format_tag::any),
        plain = dense_desc({k, n}, memory::data_type::s8);
    const auto source = [&](std::int64_t rows) { return dense_desc({rows, k}, operand.type()); };
    DividedCall call(request);
    add_ranges<dnnl::matmul>(
        call, divided(m, m * n * k / kMacsOfElement, request.executor.threads()),
        [&](std::int64_t rows) {
          return describe_packed(state_.weights, weights_.raw(), plain, any,
                                 [&](const memory::desc& weights) {
                                   return dnnl::matmul::primitive_desc(
                                       {source(rows), weights, dense_desc({rows, n}, memory::data_type::s32)},
                                       attributes, onednn_engine());
                                 });
        },
        [&](const Range& rows, const dnnl::matmul::primitive_desc& pd) {
          bind_slice(call, pd, source(rows.length()), rows.begin * k, rows.begin * n, plain);
        });
    return std::make_unique<IntegerKernel>(std::move(call), std::move(operand), shift, zero_point_);
  }

  std::unique_ptr<Kernel> bind_conv(const BindRequest& request, Int8Source operand,
                                    const dnnl::primitive_attr& attributes, std::int32_t shift) const {
    const ConvWindow window = conv_window(node, request, weights_.shape());
    const memory::dims dims = conv_weight_dims(node, weights_.shape());
    const memory::desc any(dims, memory::data_type::s8, memory::format_tag::any),
        plain = dense_desc(dims, memory::data_type::s8);
    const auto source = [&](const WindowSlice& slice) {
      return layout_desc(slice.x, request.layouts.inputs[kIntegerX], operand.type());
    };
    DividedCall call(request);
    add_slices<dnnl::convolution_forward>(
        call, window.slices,
        [&](const WindowSlice& slice) {
          return describe_packed(
              state_.weights, weights_.raw(), plain, any, [&](const memory::desc& weights) {
                return dnnl::convolution_forward::primitive_desc(
                    {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source(slice),
                     weights, layout_desc(slice.y, request.layouts.outputs[0], memory::data_type::s32),
                     window.strides, window.dilations, slice.before, slice.after},
                    attributes, onednn_engine());
              });
        },
        [&](const WindowSlice& slice, const dnnl::convolution_forward::primitive_desc& pd) {
          bind_slice(call, pd, source(slice), slice.x_at, slice.y_at, plain);
        });
    return std::make_unique<IntegerKernel>(std::move(call), std::move(operand), shift, zero_point_);
  }

  template <class PrimitiveDesc>
  void bind_slice(DividedCall& call, const PrimitiveDesc& pd, const memory::desc& source, std::int64_t x_at,
                  std::int64_t y_at, const memory::desc& plain) const {
    call.bind(DNNL_ARG_SRC, source, x_at);
    call.bind(DNNL_ARG_DST, pd.dst_desc(), y_at);
    call.bind(DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, dense_desc({1}, memory::data_type::s32));
    call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights_.raw(), plain, pd.weights_desc()));
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
