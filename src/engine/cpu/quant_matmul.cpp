#include "engine/ops/quant_matmul.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/cpu/int8_products.h"
#include "engine/cpu/quantize.h"

namespace edgeclip::engine {
namespace {

using dnnl::algorithm;
using dnnl::memory;

memory::desc row_major(std::int64_t rows, std::int64_t columns, memory::data_type type) {
  return {{rows, columns}, type, memory::format_tag::ab};
}

/// What one session knows of a node.
struct Prepared {
  QuantMatMulAttributes attributes;
  Int8Path path = Int8Path::exact;
  const std::byte* weights = nullptr;
  ProductScales scales;
  const float* bias = nullptr;  ///< as it is given
};

/// What stands behind the sum, as the post-operations of one primitive.
class Epilogue {
 public:
  Epilogue(const QuantMatMulAttributes& attributes, std::int64_t m, std::int64_t n)
      : attributes_(attributes), m_(m), n_(n) {}

  void add_bias() {
    bias_ = post_.len();
    post_.append_binary(algorithm::binary_add, row_major(1, n_, kF32));
  }
  void add_activation_and_residual(bool residual) {
    append_activation(post_, attributes_.activation);
    if (!residual) return;
    residual_ = post_.len();
    post_.append_binary(algorithm::binary_add, row_major(m_, n_, kF32));
  }
  /// y / out_scale + zero_point: what is stored is rounded and saturated.
  void add_quantization(float zero_point) {
    post_.append_eltwise(1, algorithm::eltwise_linear, 1 / attributes_.output.scale, zero_point);
  }

  const dnnl::post_ops& post_ops() const { return post_; }
  void bind_bias(OneDnnCall& call, const float* bias) const {
    if (bias_ >= 0)
      call.bind(argument(bias_), memory(row_major(1, n_, kF32), onednn_engine(), const_cast<float*>(bias)));
  }
  std::optional<std::size_t> bind_residual(OneDnnCall& call) const {
    if (residual_ < 0) return {};
    return call.bind(argument(residual_), row_major(m_, n_, kF32));
  }

 private:
  static int argument(int place) { return DNNL_ARG_ATTR_MULTIPLE_POST_OP(place) | DNNL_ARG_SRC_1; }

  const QuantMatMulAttributes& attributes_;
  const std::int64_t m_, n_;
  dnnl::post_ops post_;
  int bias_ = -1, residual_ = -1;
};

/// One matmul primitive over A as (M, K).  A scale for each row is what its post-operations lack (oneDNN 2.6
/// broadcasts along M in three dimensions only, where it does not keep weights packed): the product is
/// float32 then, and a second primitive does the rest.
class OneDnnQuantMatMul final : public Kernel {
 public:
  OneDnnQuantMatMul(const Node& node, const Prepared& prepared, CpuState& state, const BindRequest& request)
      : attributes_(prepared.attributes),
        widened_(prepared.path == Int8Path::widened),
        source_(prepared.path, request.inputs[kQuantA].dtype, prepared.attributes.a_zero_point,
                request.inputs[kQuantA].elements(), request),
        scratch_(request.scratch),
        executor_(request.executor) {
    k_ = request.inputs[kQuantW].shape[0];
    n_ = request.inputs[kQuantW].shape[1];
    m_ = request.inputs[kQuantA].elements() / k_;
    const bool rows = node.has_input(kQuantRowScale), residual = node.has_input(kQuantResidual),
               quantizes = attributes_.output.quantizes();
    // float32 products are stored as such.
    const bool apart = rows || (widened_ && quantizes);
    std::size_t primitives = bind_product(prepared, state, request, apart, rows, residual);
    if (rows) primitives = std::max(primitives, bind_rows(prepared, request, residual));
    const std::size_t end = source_.reserve(primitives);
    // In the output itself unless that is of another type, or may be the residual.
    if (apart && (quantizes || residual)) {
      product_offset_ = (end + 63) / 64 * 64;
      scratch_.reserve(*product_offset_ + static_cast<std::size_t>(m_ * n_) * sizeof(float));
    }
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    std::byte* const product = product_offset_ ? scratch_.data() + *product_offset_ : outputs[0].data;
    product_->set(a_slot_, source_.convert(inputs[kQuantA].data));
    product_->set(product_slot_, product);
    if (residual_slot_) product_->set(*residual_slot_, inputs[kQuantResidual].data);
    product_->run();
    if (rows_) {
      rows_->set(rows_product_slot_, product);
      rows_->set(rows_scale_slot_, inputs[kQuantRowScale].data);
      if (rows_residual_slot_) rows_->set(*rows_residual_slot_, inputs[kQuantResidual].data);
      rows_->set(rows_dst_slot_, outputs[0].data);
      rows_->run();
    } else if (product_offset_) {
      quantize_elements(executor_, reinterpret_cast<const float*>(product), attributes_.output, outputs[0]);
    }
  }

  std::string implementation() const override {
    return product_->implementation() + (widened_ ? " (int8 widened to float32)" : "");
  }

 private:
  /// Returns the bytes of its scratchpad.
  std::size_t bind_product(const Prepared& prepared, CpuState& state, const BindRequest& request, bool apart,
                           bool rows, bool residual) {
    const OutputQuantization& output = attributes_.output;
    const auto a_desc = row_major(m_, k_, source_.type()),
               dst_desc = row_major(m_, n_, apart ? kF32 : onednn_type(output.dtype)),
               bias_desc = row_major(1, n_, kF32);
    const memory::desc w_any({k_, n_}, widened_ ? kF32 : memory::data_type::s8, memory::format_tag::any);
    dnnl::primitive_attr attr = onednn_attributes();
    attr.set_output_scales(1 << 1, prepared.scales.scales);
    if (source_.zero_point() != 0) attr.set_zero_points(DNNL_ARG_SRC, 0, {source_.zero_point()});
    Epilogue epilogue(attributes_, m_, n_);
    if (!rows) epilogue.add_activation_and_residual(residual);
    if (!apart && output.quantizes()) {
      epilogue.add_quantization(0);
      if (output.zero_point != 0) attr.set_zero_points(DNNL_ARG_DST, 0, {output.zero_point});
    }
    attr.set_post_ops(epilogue.post_ops());

    const std::vector<float>& bias = prepared.scales.bias;
    const bool biased = !rows && !bias.empty();
    const dnnl::matmul::desc desc = biased ? dnnl::matmul::desc(a_desc, w_any, bias_desc, dst_desc)
                                           : dnnl::matmul::desc(a_desc, w_any, dst_desc);
    const dnnl::matmul::primitive_desc pd(desc, attr, onednn_engine());
    product_.emplace(dnnl::matmul(pd), pd, request.scratch);
    a_slot_ = product_->bind(DNNL_ARG_SRC, a_desc);
    product_slot_ = product_->bind(DNNL_ARG_DST, dst_desc);
    // The reorder widens s8 to f32 as well; scales stay outside, so the widened weights are exact.
    product_->bind(
        DNNL_ARG_WEIGHTS,
        state.weights.get(prepared.weights, row_major(k_, n_, memory::data_type::s8), pd.weights_desc()));
    if (biased)
      product_->bind(DNNL_ARG_BIAS, memory(bias_desc, onednn_engine(), const_cast<float*>(bias.data())));
    residual_slot_ = epilogue.bind_residual(*product_);
    return pd.scratchpad_desc().get_size();
  }

  /// y = act(row_scale[m] * product[m, n] + bias[n]) + residual[m, n].  Returns the bytes of its scratchpad.
  std::size_t bind_rows(const Prepared& prepared, const BindRequest& request, bool residual) {
    const OutputQuantization& output = attributes_.output;
    const auto product = row_major(m_, n_, kF32), scale = row_major(m_, 1, kF32),
               dst = row_major(m_, n_, onednn_type(output.dtype));
    Epilogue epilogue(attributes_, m_, n_);
    if (prepared.bias) epilogue.add_bias();
    epilogue.add_activation_and_residual(residual);
    if (output.quantizes()) epilogue.add_quantization(static_cast<float>(output.zero_point));
    dnnl::primitive_attr attr = onednn_attributes();
    attr.set_post_ops(epilogue.post_ops());
    const dnnl::binary::primitive_desc pd({algorithm::binary_mul, product, scale, dst}, attr,
                                          onednn_engine());
    rows_.emplace(dnnl::binary(pd), pd, request.scratch);
    rows_product_slot_ = rows_->bind(DNNL_ARG_SRC_0, product);
    rows_scale_slot_ = rows_->bind(DNNL_ARG_SRC_1, scale);
    rows_dst_slot_ = rows_->bind(DNNL_ARG_DST, dst);
    epilogue.bind_bias(*rows_, prepared.bias);
    rows_residual_slot_ = epilogue.bind_residual(*rows_);
    return pd.scratchpad_desc().get_size();
  }

  const QuantMatMulAttributes attributes_;
  const bool widened_;
  Int8Source source_;
  Scratch& scratch_;
  kernels::Executor& executor_;
  std::int64_t m_ = 0, k_ = 0, n_ = 0;
  std::optional<std::size_t> product_offset_;  ///< of a product that does not lie in the output
  std::optional<OneDnnCall> product_, rows_;
  std::size_t a_slot_ = 0, product_slot_ = 0, rows_product_slot_ = 0, rows_scale_slot_ = 0,
              rows_dst_slot_ = 0;
  std::optional<std::size_t> residual_slot_, rows_residual_slot_;
};

class QuantMatMulNode final : public CpuNode {
 public:
  QuantMatMulNode(const PrepareRequest& request, Prepared prepared)
      : CpuNode(request.node, request.state), prepared_(std::move(prepared)) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Inputs& in = request.inputs;
    Shape product = in[kQuantA].shape;
    product.back() = in[kQuantW].shape[1];
    if (request.outputs[0].shape != product) return nullptr;
    if (node.has_input(kQuantResidual) && in[kQuantResidual].shape != product) return nullptr;
    return std::make_unique<OneDnnQuantMatMul>(node, prepared_, state_, request);
  }

  const Prepared prepared_;
};

/// The node's rule refuses what does not fit, once shapes are known.
bool has_byte_matrix(const PrepareRequest& request) {
  return request.is_constant(kQuantW) && request.constants[kQuantW].dtype == DType::i8 &&
         request.constants[kQuantW].shape.size() == 2;
}

Int8Path onednn_path(const PrepareRequest& request) {
  const TensorView& w = request.constants[kQuantW];
  return int8_path(w, w.shape[0], int8_products_saturate());
}

}  // namespace

std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request, Int8Path path) {
  const Inputs& in = request.constants;
  if (!has_byte_matrix(request)) return nullptr;
  Prepared prepared{quant_matmul_attributes(request.node), path, in[kQuantW].data, {}, nullptr};
  auto scales =
      product_scales(request, kQuantWScale, kQuantBias, in[kQuantW].shape[1], prepared.attributes.a_scale);
  if (!scales) return nullptr;
  prepared.scales = std::move(*scales);
  if (request.node.has_input(kQuantBias)) prepared.bias = in[kQuantBias].as<float>();
  return std::make_unique<QuantMatMulNode>(request, std::move(prepared));
}

std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request) {
  if (!has_byte_matrix(request)) return nullptr;
  if (auto prepared = prepare_gemm_quant_matmul(request)) return prepared;
  return prepare_quant_matmul(request, onednn_path(request));
}

std::unique_ptr<PreparedNode> prepare_exact_quant_matmul(const PrepareRequest& request) {
  if (!has_byte_matrix(request)) return nullptr;
  const bool exact = !kernels::needs_seven_bits(kernels::cpu_level()) || has_seven_bits(request.constants[kQuantW]);
  if (exact)
    if (auto prepared = prepare_gemm_quant_matmul(request)) return prepared;
  return prepare_quant_matmul(request, onednn_path(request));
}

}  // namespace edgeclip::engine
