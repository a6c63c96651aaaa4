#include "engine/cpu/float_product.h"

#include <utility>

#include "engine/cpu/product_activation.h"

namespace edgeclip::engine {

namespace {

class FloatProductKernel final : public Kernel {
 public:
  FloatProductKernel(FloatProduct product, const BindRequest& request)
      : weights_(std::move(product.weights)),
        rows_(product.rows),
        residual_(product.residual),
        executor_(request.executor),
        scratch_(request.scratch) {
    set_activation(epilogue_, product.activation);
    epilogue_.out_stride = epilogue_.residual_stride = weights_->n;
    if (product.bias) {
      bias_ = padded_to_panels(product.bias, *weights_);
      epilogue_.bias = bias_.data();
    }
    if (narrows())
      scratch_.reserve(static_cast<std::size_t>(rows_ * kernels::row_elements(*weights_)) * sizeof(std::uint16_t));
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    epilogue_.out = outputs[0].data;
    if (residual_) epilogue_.residual = inputs[*residual_].as<float>();
    kernels::GemmInput a{inputs[0].data, rows_, weights_->k};
    if (narrows()) {
      auto* narrow = reinterpret_cast<std::uint16_t*>(scratch_.data());
      kernels::make_rows_bf16(executor_, inputs[0].as<float>(), rows_, *weights_, narrow);
      a = {narrow, rows_, kernels::row_elements(*weights_)};
    }
    kernels::gemm(executor_, a, *weights_, epilogue_);
  }

  std::string implementation() const override { return gemm_name(*weights_); }

 private:
  bool narrows() const { return weights_->type == kernels::WeightType::bf16; }

  const GemmWeights::Packed weights_;
  const std::int64_t rows_;
  const std::optional<std::size_t> residual_;
  kernels::Executor& executor_;
  Scratch& scratch_;
  std::vector<float> bias_;
  kernels::Epilogue epilogue_;
};

}  // namespace

std::unique_ptr<Kernel> make_float_product(FloatProduct product, const BindRequest& request) {
  return std::make_unique<FloatProductKernel>(std::move(product), request);
}

}  // namespace edgeclip::engine
