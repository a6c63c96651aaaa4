#include "engine/cpu/quantize.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "engine/cpu/centred_weights.h"
#include "engine/cpu/cpu_node.h"
#include "engine/ops/quantization.h"
#include "engine/ops/quantize_rows.h"
#include "engine/ops/support.h"
#include "kernels/norm/row_kernels.h"

namespace edgeclip::engine {

namespace {

template <class T>
class QuantizeKernel final : public Kernel {
 public:
  QuantizeKernel(kernels::Executor& executor, float scale, std::int32_t zero_point)
      : executor_(executor), scale_(scale), zero_point_(zero_point) {}
  void run(const Inputs& inputs, const Outputs& outputs) override {
    quantize_elements(executor_, inputs[0].as<float>(), inputs[0].elements(), scale_, zero_point_,
                      outputs[0].as<T>());
  }
  std::string implementation() const override { return "simd:quantize_linear"; }

 private:
  kernels::Executor& executor_;
  const float scale_;
  const std::int32_t zero_point_;
};

template <class T>
class DequantizeKernel final : public Kernel {
 public:
  DequantizeKernel(kernels::Executor& executor, float scale, std::int32_t zero_point)
      : executor_(executor), scale_(scale), zero_point_(zero_point) {}
  void run(const Inputs& inputs, const Outputs& outputs) override {
    const T* x = inputs[0].as<T>();
    float* y = outputs[0].as<float>();
    const float scale = scale_;
    const std::int32_t zero_point = zero_point_;
    const std::int64_t n = inputs[0].elements();
    parallel_elements(executor_, n, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        y[i] = static_cast<float>(static_cast<std::int32_t>(x[i]) - zero_point) * scale;
    });
  }
  std::string implementation() const override { return "simd:dequantize_linear"; }

 private:
  kernels::Executor& executor_;
  const float scale_;
  const std::int32_t zero_point_;
};

/// QuantizeLinear or DequantizeLinear with one constant scale, in any layout.
class ScaledNode final : public CpuNode {
 public:
  ScaledNode(const PrepareRequest& request, float scale, std::int32_t zero_point)
      : CpuNode(request.node, request.state), scale_(scale), zero_point_(zero_point) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    // Reorders are there for elements of 1 and 4 bytes.
    const bool follows = fits(inputs[0].dtype, outputs[0].dtype);
    return as_first_input(inputs, outputs, follows ? given : std::vector<Layout>{Layout::plain});
  }

 private:
  static bool is_byte(DType dtype) { return dtype == DType::u8 || dtype == DType::i8; }
  bool fits(DType from, DType to) const {
    return node.op == "QuantizeLinear" ? from == DType::f32 && is_byte(to)
                                       : is_byte(from) && to == DType::f32;
  }

  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const DType from = request.inputs[0].dtype, to = request.outputs[0].dtype;
    if (!fits(from, to)) return nullptr;
    if (to == DType::u8)
      return std::make_unique<QuantizeKernel<std::uint8_t>>(request.executor, scale_, zero_point_);
    if (to == DType::i8)
      return std::make_unique<QuantizeKernel<std::int8_t>>(request.executor, scale_, zero_point_);
    if (from == DType::u8)
      return std::make_unique<DequantizeKernel<std::uint8_t>>(request.executor, scale_, zero_point_);
    return std::make_unique<DequantizeKernel<std::int8_t>>(request.executor, scale_, zero_point_);
  }

  const float scale_;
  const std::int32_t zero_point_;
};

/// edgeclip.QuantizeRows and edgeclip.AffineQuantizeRows, whose work is of type Work.
template <class Work>
class QuantizeRowsKernel final : public Kernel {
 public:
  using WorkOf = Work (*)(const Inputs&, const Outputs&);
  QuantizeRowsKernel(kernels::Executor& executor, WorkOf work, const char* name)
      : executor_(executor), work_(work), name_(name) {}
  void run(const Inputs& inputs, const Outputs& outputs) override {
    kernels::quantize_rows(work_(inputs, outputs), executor_);
  }
  std::string implementation() const override { return name_; }

 private:
  kernels::Executor& executor_;
  const WorkOf work_;
  const char* const name_;
};

class QuantizeRowsNode final : public CpuNode {
 public:
  explicit QuantizeRowsNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (request.inputs[0].dtype != DType::f32 || node.outputs[0] == kNoValue) return nullptr;
    if (node.op == "AffineQuantizeRows")
      return std::make_unique<QuantizeRowsKernel<kernels::AffineRows>>(request.executor, affine_rows,
                                                                      "simd:affine_quantize_rows");
    return std::make_unique<QuantizeRowsKernel<kernels::QuantizedRows>>(request.executor, quantized_rows,
                                                                       "simd:quantize_rows");
  }
};

/// DynamicQuantizeLinear: y, its scale and its zero point, from the range of x widened to hold 0.
class DynamicQuantizeKernel final : public Kernel {
 public:
  explicit DynamicQuantizeKernel(kernels::Executor& executor) : executor_(executor) {}
  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float* x = inputs[0].as<float>();
    const std::int64_t n = inputs[0].elements();
    float low = 0, high = 0;
    std::mutex mutex;
    parallel_elements(executor_, n, [&](std::int64_t begin, std::int64_t end) {
      float lowest = 0, highest = 0;
#pragma omp simd reduction(min : lowest) reduction(max : highest)
      for (std::int64_t i = begin; i < end; ++i) {
        lowest = x[i] < lowest ? x[i] : lowest;
        highest = x[i] > highest ? x[i] : highest;
      }
      const std::lock_guard lock(mutex);
      low = std::min(low, lowest);
      high = std::max(high, highest);
    });
    const float range = (high - low) / 255.0F;
    const float scale = range > 0 && std::isfinite(range) ? range : 1.0F;
    const auto zero = quantize<std::uint8_t>(-low, scale, std::uint8_t{0});
    if (outputs[0].data) quantize_elements(executor_, x, n, scale, zero, outputs[0].as<std::uint8_t>());
    if (outputs.size() > 1 && outputs[1].data) *outputs[1].as<float>() = scale;
    if (outputs.size() > 2 && outputs[2].data) *outputs[2].as<std::uint8_t>() = zero;
  }
  std::string implementation() const override { return "simd:dynamic_quantize_linear"; }

 private:
  kernels::Executor& executor_;
};

class DynamicQuantizeNode final : public CpuNode {
 public:
  explicit DynamicQuantizeNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    return std::make_unique<DynamicQuantizeKernel>(request.executor);
  }
};

}  // namespace

template <class T>
void quantize_elements(kernels::Executor& executor, const float* x, std::int64_t count, float scale,
                       std::int32_t zero_point, T* y) {
  kernels::quantize_linear(x, count, scale, zero_point, y, executor);
}

template void quantize_elements<std::uint8_t>(kernels::Executor&, const float*, std::int64_t, float,
                                              std::int32_t, std::uint8_t*);
template void quantize_elements<std::int8_t>(kernels::Executor&, const float*, std::int64_t, float,
                                             std::int32_t, std::int8_t*);

void quantize_elements(kernels::Executor& executor, const float* x, const OutputQuantization& how,
                       const OutputView& output) {
  if (how.dtype == DType::u8)
    quantize_elements(executor, x, output.elements(), how.scale, how.zero_point, output.as<std::uint8_t>());
  else
    quantize_elements(executor, x, output.elements(), how.scale, how.zero_point, output.as<std::int8_t>());
}

std::unique_ptr<PreparedNode> prepare_scaled(const PrepareRequest& request) {
  const Inputs& in = request.constants;
  if (in.size() < 2 || !request.is_constant(1) || in[1].dtype != DType::f32 || in[1].elements() != 1)
    return nullptr;
  const float scale = *in[1].as<float>();
  if (!(scale > 0) || !std::isfinite(scale)) return nullptr;
  std::int32_t zero_point = 0;
  if (request.node.has_input(2)) {
    if (!is_byte_constant(in[2]) || in[2].elements() != 1) return nullptr;
    zero_point = byte_at(in[2], 0);
  }
  return std::make_unique<ScaledNode>(request, scale, zero_point);
}

std::unique_ptr<PreparedNode> prepare_dynamic_quantize(const PrepareRequest& request) {
  return std::make_unique<DynamicQuantizeNode>(request);
}

std::unique_ptr<PreparedNode> prepare_quantize_rows(const PrepareRequest& request) {
  return std::make_unique<QuantizeRowsNode>(request);
}

}  // namespace edgeclip::engine
