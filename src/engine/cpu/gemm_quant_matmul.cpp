#include <limits>
#include <utility>

#include "engine/cpu/gemm_weights.h"
#include "engine/cpu/int8_products.h"
#include "engine/cpu/product_activation.h"
#include "engine/ops/quant_matmul.h"

namespace edgeclip::engine {

namespace {

kernels::OutputType output_type(const OutputQuantization& output) {
  if (!output.quantizes()) return kernels::OutputType::f32;
  return output.dtype == DType::u8 ? kernels::OutputType::u8 : kernels::OutputType::s8;
}

class GemmQuantMatMul final : public Kernel {
 public:
  GemmQuantMatMul(const QuantMatMulAttributes& attributes, GemmWeights::Packed weights, const float* scales,
                  const float* bias, bool residual, bool row_scales, const BindRequest& request)
      : weights_(std::move(weights)),
        rows_(request.inputs[kQuantA].elements() / weights_->k),
        residual_(residual),
        row_scales_(row_scales),
        executor_(request.executor),
        scratch_(request.scratch),
        scales_(padded_to_panels(scales, *weights_)) {
    for (std::size_t n = 0; n < scales_.size(); ++n) {
      scales_[n] *= attributes.a_scale;
      if (!weights_->column_factor.empty()) scales_[n] *= weights_->column_factor[n];
    }
    epilogue_.column_scale = scales_.data();
    if (bias) {
      bias_ = padded_to_panels(bias, *weights_);
      epilogue_.bias = bias_.data();
    }
    set_activation(epilogue_, attributes.activation);
    epilogue_.a_zero_point = attributes.a_zero_point;
    epilogue_.out_stride = epilogue_.residual_stride = weights_->n;
    epilogue_.out_type = output_type(attributes.output);
    epilogue_.out_inverse_scale = 1 / attributes.output.scale;
    epilogue_.out_zero_point = attributes.output.zero_point;
    if (pads()) scratch_.reserve(static_cast<std::size_t>(rows_ * kernels::row_elements(*weights_)));
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    epilogue_.out = outputs[0].data;
    if (residual_) epilogue_.residual = inputs[kQuantResidual].as<float>();
    if (row_scales_) epilogue_.row_scale = inputs[kQuantRowScale].as<float>();
    kernels::GemmInput a{inputs[kQuantA].data, rows_, weights_->k};
    if (pads()) {
      auto* padded = reinterpret_cast<std::uint8_t*>(scratch_.data());
      kernels::pad_rows(executor_, reinterpret_cast<const std::uint8_t*>(inputs[kQuantA].data), rows_, *weights_, padded);
      a = {padded, rows_, kernels::row_elements(*weights_)};
    }
    kernels::gemm(executor_, a, *weights_, epilogue_);
  }

  std::string implementation() const override { return gemm_name(*weights_); }

 private:
  bool pads() const { return kernels::row_elements(*weights_) != weights_->k; }

  const GemmWeights::Packed weights_;
  const std::int64_t rows_;
  const bool residual_, row_scales_;
  kernels::Executor& executor_;
  Scratch& scratch_;
  std::vector<float> scales_, bias_;
  kernels::Epilogue epilogue_;
};

class GemmQuantMatMulNode final : public CpuNode {
 public:
  explicit GemmQuantMatMulNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state),
        attributes_(quant_matmul_attributes(request.node)),
        weights_(request.constants[kQuantW]),
        scales_(request.constants[kQuantWScale].as<float>()),
        bias_(request.node.has_input(kQuantBias) ? request.constants[kQuantBias].as<float>() : nullptr) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Inputs& in = request.inputs;
    Shape product = in[kQuantA].shape;
    product.back() = weights_.shape[1];
    if (request.outputs[0].shape != product) return nullptr;
    const bool residual = node.has_input(kQuantResidual), rows = node.has_input(kQuantRowScale);
    if (residual && in[kQuantResidual].shape != product) return nullptr;
    return std::make_unique<GemmQuantMatMul>(attributes_,
                                             state_.gemm_weights.of_bytes(weights_, in[kQuantA].dtype == DType::i8),
                                             scales_, bias_, residual, rows, request);
  }

  const QuantMatMulAttributes attributes_;
  const TensorView weights_;
  const float* const scales_;
  const float* const bias_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_gemm_quant_matmul(const PrepareRequest& request) {
  const Inputs& in = request.constants;
  const std::int64_t k = in[kQuantW].shape[0], n = in[kQuantW].shape[1];
  const auto floats = [&](std::size_t i) {
    return request.is_constant(i) && in[i].dtype == DType::f32 && in[i].elements() == n;
  };
  if (k > std::numeric_limits<std::int32_t>::max() / (255 * 128)) return nullptr;  // sums of 32 bits
  if (!floats(kQuantWScale) || (request.node.has_input(kQuantBias) && !floats(kQuantBias))) return nullptr;
  return std::make_unique<GemmQuantMatMulNode>(request);
}

}  // namespace edgeclip::engine
