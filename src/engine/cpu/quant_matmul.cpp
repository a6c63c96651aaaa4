#include "engine/ops/quant_matmul.h"

#include <utility>

#include "engine/cpu/gemm_weights.h"
#include "engine/cpu/int8_products.h"
#include "engine/cpu/product_activation.h"

namespace edgeclip::engine {

namespace {

kernels::OutputType output_type(const OutputQuantization& output) {
  if (!output.quantizes()) return kernels::OutputType::f32;
  return output.dtype == DType::u8 ? kernels::OutputType::u8 : kernels::OutputType::s8;
}

/// What one session knows of a node.
struct Prepared {
  QuantMatMulAttributes attributes;
  TensorView weights;
  const float* scales = nullptr;
  const float* bias = nullptr;  ///< or null
  bool widened = false;         ///< products are of float32
};

class QuantMatMulKernel final : public Kernel {
 public:
  QuantMatMulKernel(const Node& graph_node, const Prepared& node, GemmWeights::Packed weights,
                    const BindRequest& request)
      : weights_(std::move(weights)),
        rows_(request.inputs[kQuantA].elements() / weights_->k),
        residual_(graph_node.has_input(kQuantResidual)),
        row_scales_(graph_node.has_input(kQuantRowScale)),
        row_zero_points_(graph_node.has_input(kQuantRowZeroPoint)),
        executor_(request.executor),
        scratch_(request.scratch),
        scales_(padded_to_panels(node.scales, *weights_)) {
    for (std::size_t n = 0; n < scales_.size(); ++n) {
      scales_[n] *= node.attributes.a_scale;
      if (!weights_->column_factor.empty()) scales_[n] *= weights_->column_factor[n];
    }
    epilogue_.column_scale = scales_.data();
    if (node.bias) {
      bias_ = padded_to_panels(node.bias, *weights_);
      epilogue_.bias = bias_.data();
    }
    set_activation(epilogue_, node.attributes.activation);
    epilogue_.a_zero_point = node.attributes.a_zero_point;
    epilogue_.out_stride = epilogue_.residual_stride = weights_->n;
    epilogue_.out_type = output_type(node.attributes.output);
    epilogue_.out_inverse_scale = 1 / node.attributes.output.scale;
    epilogue_.out_zero_point = node.attributes.output.zero_point;
    if (node.widened)
      widened_.emplace(Int8Path::widened, request.inputs[kQuantA].dtype, node.attributes.a_zero_point,
                       request.inputs[kQuantA].elements(), request)
          .reserve(0);
    else if (pads())
      scratch_.reserve(static_cast<std::size_t>(rows_ * kernels::row_elements(*weights_)));
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    epilogue_.out = outputs[0].data;
    if (residual_) epilogue_.residual = inputs[kQuantResidual].as<float>();
    if (row_scales_) epilogue_.row_scale = inputs[kQuantRowScale].as<float>();
    if (row_zero_points_) epilogue_.row_zero_point = inputs[kQuantRowZeroPoint].as<std::int32_t>();
    kernels::gemm(executor_, rows_of(inputs[kQuantA].data), *weights_, epilogue_);
  }

  std::string implementation() const override {
    return gemm_name(*weights_) + (widened_ ? " (int8 widened to float32)" : "");
  }

 private:
  bool pads() const { return kernels::row_elements(*weights_) != weights_->k; }

  kernels::GemmInput rows_of(const std::byte* a) {
    if (widened_) return {widened_->convert(a), rows_, weights_->k};
    if (!pads()) return {a, rows_, weights_->k};
    auto* padded = reinterpret_cast<std::uint8_t*>(scratch_.data());
    kernels::pad_rows(executor_, reinterpret_cast<const std::uint8_t*>(a), rows_, *weights_, padded);
    return {padded, rows_, kernels::row_elements(*weights_)};
  }

  const GemmWeights::Packed weights_;
  const std::int64_t rows_;
  const bool residual_, row_scales_, row_zero_points_;
  kernels::Executor& executor_;
  Scratch& scratch_;
  std::vector<float> scales_, bias_;
  std::optional<Int8Source> widened_;
  kernels::Epilogue epilogue_;
};

class QuantMatMulNode final : public CpuNode {
 public:
  QuantMatMulNode(const PrepareRequest& request, const Prepared& prepared)
      : CpuNode(request.node, request.state), prepared_(prepared) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Inputs& in = request.inputs;
    Shape product = in[kQuantA].shape;
    product.back() = prepared_.weights.shape[1];
    if (request.outputs[0].shape != product) return nullptr;
    if (node.has_input(kQuantResidual) && in[kQuantResidual].shape != product) return nullptr;
    // Widening takes one zero point off before it multiplies.
    if (prepared_.widened && node.has_input(kQuantRowZeroPoint)) return nullptr;
    GemmWeights& packed = state_.gemm_weights;
    return std::make_unique<QuantMatMulKernel>(
        node, prepared_,
        prepared_.widened ? packed.of_widened_bytes(prepared_.weights, request.executor)
                          : packed.of_bytes(prepared_.weights, in[kQuantA].dtype == DType::i8, request.executor),
        request);
  }

  const Prepared prepared_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request, QuantProducts products) {
  const Inputs& in = request.constants;
  // The node's rule refuses what does not fit, once shapes are known.
  if (!request.is_constant(kQuantW) || in[kQuantW].dtype != DType::i8 || in[kQuantW].shape.size() != 2) return nullptr;
  const std::int64_t k = in[kQuantW].shape[0], n = in[kQuantW].shape[1];
  const auto floats = [&](std::size_t i) {
    return request.is_constant(i) && in[i].dtype == DType::f32 && in[i].elements() == n;
  };
  const bool biased = request.node.has_input(kQuantBias);
  if (!floats(kQuantWScale) || (biased && !floats(kQuantBias))) return nullptr;
  const bool rounds = kernels::needs_seven_bits(kernels::cpu_level()) && products == QuantProducts::exact &&
                      !has_seven_bits(in[kQuantW]);
  const bool widened = products == QuantProducts::widened || rounds || k > kMostInt8Products;
  return std::make_unique<QuantMatMulNode>(
      request, Prepared{quant_matmul_attributes(request.node), in[kQuantW], in[kQuantWScale].as<float>(),
                        biased ? in[kQuantBias].as<float>() : nullptr, widened});
}

std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request) {
  return prepare_quant_matmul(request, QuantProducts::fast);
}

}  // namespace edgeclip::engine
