#include "engine/cpu/quant_matmul.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/ops/quant_matmul.h"

namespace edgeclip::engine {
namespace {

using dnnl::memory;

memory::desc row_major(std::int64_t rows, std::int64_t columns, memory::data_type type) {
  return {{rows, columns}, type, memory::format_tag::ab};
}

/// a - zero_point as float32: exact.
void widen(const std::uint8_t* a, std::int64_t n, float zero_point, float* out) {
#pragma omp parallel for simd schedule(static) if (n > kParallelElements)
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(a[i]) - zero_point;
}

/// What one session knows of a node.
struct Prepared {
  QuantMatMulAttributes attributes;
  QuantMatMulPath path = QuantMatMulPath::int8;
  const std::byte* weights = nullptr;
  std::vector<float> scales;  ///< a_scale w_scale[n]
  std::vector<float> bias;    ///< divided by the scales: oneDNN 2.6 computes scale[n] * (sum + bias[n])
};

/// One matmul primitive over A as (M, K).
class OneDnnQuantMatMul final : public Kernel {
 public:
  OneDnnQuantMatMul(const Node& node, const Prepared& prepared, CpuState& state, const BindRequest& request)
      : path_(prepared.path), zero_point_(prepared.attributes.a_zero_point), scratch_(request.scratch) {
    const TensorView& w = request.inputs[kQuantW];
    const std::int64_t k = w.shape[0], n = w.shape[1];
    elements_ = request.inputs[kQuantA].elements();
    const std::int64_t m = elements_ / k;

    const bool widened = path_ == QuantMatMulPath::widened;
    const auto a_desc = row_major(m, k, widened ? memory::data_type::f32 : memory::data_type::u8);
    const auto dst_desc = row_major(m, n, memory::data_type::f32),
               bias_desc = row_major(1, n, memory::data_type::f32);
    const memory::desc w_any({k, n}, widened ? memory::data_type::f32 : memory::data_type::s8,
                             memory::format_tag::any);

    dnnl::primitive_attr attr = onednn_attributes();
    attr.set_output_scales(1 << 1, prepared.scales);
    if (!widened && zero_point_ != 0) attr.set_zero_points(DNNL_ARG_SRC, 0, {zero_point_});
    dnnl::post_ops post;
    append_activation(post, prepared.attributes.activation);
    const bool residual = node.has_input(kQuantResidual);
    if (residual) post.append_binary(dnnl::algorithm::binary_add, dst_desc);
    attr.set_post_ops(post);

    const bool bias = !prepared.bias.empty();
    const dnnl::matmul::desc desc = bias ? dnnl::matmul::desc(a_desc, w_any, bias_desc, dst_desc)
                                         : dnnl::matmul::desc(a_desc, w_any, dst_desc);
    const dnnl::matmul::primitive_desc pd(desc, attr, onednn_engine());
    call_.emplace(dnnl::matmul(pd), pd, request.scratch);

    a_slot_ = call_->bind(DNNL_ARG_SRC, a_desc);
    dst_slot_ = call_->bind(DNNL_ARG_DST, dst_desc);
    // The reorder widens s8 to f32 as well; scales stay outside, so the widened weights are exact.
    call_->bind(DNNL_ARG_WEIGHTS, state.weights.get(prepared.weights, row_major(k, n, memory::data_type::s8),
                                                    pd.weights_desc()));
    if (bias)
      call_->bind(DNNL_ARG_BIAS,
                  memory(bias_desc, onednn_engine(), const_cast<float*>(prepared.bias.data())));
    if (residual)
      residual_slot_ = call_->bind(DNNL_ARG_ATTR_MULTIPLE_POST_OP(post.len() - 1) | DNNL_ARG_SRC_1, dst_desc);
    if (widened) {  // behind the primitive's own scratchpad, which starts at the same address
      widened_offset_ = (pd.scratchpad_desc().get_size() + 63) / 64 * 64;
      scratch_.reserve(widened_offset_ + static_cast<std::size_t>(elements_) * sizeof(float));
    }
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    if (path_ == QuantMatMulPath::widened) {
      auto* wide = reinterpret_cast<float*>(scratch_.data() + widened_offset_);
      widen(inputs[kQuantA].as<std::uint8_t>(), elements_, static_cast<float>(zero_point_), wide);
      call_->set(a_slot_, reinterpret_cast<const std::byte*>(wide));
    } else {
      call_->set(a_slot_, inputs[kQuantA].data);
    }
    call_->set(dst_slot_, outputs[0].data);
    if (residual_slot_) call_->set(*residual_slot_, inputs[kQuantResidual].data);
    call_->run();
  }

  std::string implementation() const override {
    return call_->implementation() + (path_ == QuantMatMulPath::widened ? " (int8 widened to float32)" : "");
  }

 private:
  const QuantMatMulPath path_;
  const std::int32_t zero_point_;
  Scratch& scratch_;
  std::int64_t elements_ = 0;
  std::size_t widened_offset_ = 0;
  std::optional<OneDnnCall> call_;
  std::size_t a_slot_ = 0, dst_slot_ = 0;
  std::optional<std::size_t> residual_slot_;
};

class QuantMatMulNode final : public CpuNode {
 public:
  QuantMatMulNode(const PrepareRequest& request, Prepared prepared)
      : CpuNode(request.node, request.state), prepared_(std::move(prepared)) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Inputs& in = request.inputs;
    if (node.has_input(kQuantResidual) && in[kQuantResidual].shape != request.outputs[0].shape)
      return nullptr;
    Shape product = in[kQuantA].shape;
    product.back() = in[kQuantW].shape[1];
    if (request.outputs[0].shape != product) return nullptr;
    return std::make_unique<OneDnnQuantMatMul>(node, prepared_, state_, request);
  }

  const Prepared prepared_;
};

class FastQuantizeLinear final : public Kernel {
 public:
  FastQuantizeLinear(float scale, std::uint8_t zero_point) : scale_(scale), zero_point_(zero_point) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float* x = inputs[0].as<float>();
    auto* y = outputs[0].as<std::uint8_t>();
    // Adding 1.5 * 2^23 leaves an integer in the low mantissa bits, rounded half to even, without a call or
    // SSE4.1.
    constexpr float kMagic = 12582912.0f;
    const float scale = scale_, low = -static_cast<float>(zero_point_), high = 255.0f + low;
    const std::int32_t zero_point = zero_point_;
    const std::int64_t n = inputs[0].elements();
#pragma omp parallel for simd schedule(static) if (n > kParallelElements)
    for (std::int64_t i = 0; i < n; ++i) {
      float v = x[i] / scale;
      v = v == v ? v : 0.0f;  // NaN becomes the zero point, as in the reference kernel
      v = v > low ? v : low;
      v = v < high ? v : high;
      const float shifted = v + kMagic;
      std::int32_t bits;
      std::memcpy(&bits, &shifted, sizeof bits);
      y[i] = static_cast<std::uint8_t>(bits - 0x4B400000 + zero_point);
    }
  }

  std::string implementation() const override { return "simd:quantize_linear"; }

 private:
  const float scale_;
  const std::uint8_t zero_point_;
};

class QuantizeLinearNode final : public CpuNode {
 public:
  QuantizeLinearNode(const PrepareRequest& request, float scale, std::uint8_t zero_point)
      : CpuNode(request.node, request.state), scale_(scale), zero_point_(zero_point) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    return std::make_unique<FastQuantizeLinear>(scale_, zero_point_);
  }

  const float scale_;
  const std::uint8_t zero_point_;
};

}  // namespace

bool int8_products_saturate() {
#if defined(__x86_64__) || defined(__i386__)
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto has = [isa](dnnl::cpu_isa level) {
    return (isa & static_cast<unsigned>(level)) == static_cast<unsigned>(level);
  };
  return !has(dnnl::cpu_isa::avx512_core_vnni) && !has(dnnl::cpu_isa::avx2_vnni);
#else
  return false;
#endif
}

QuantMatMulPath quant_matmul_path(const TensorView& weights, bool saturating) {
  if (!saturating) return QuantMatMulPath::int8;
  const auto* w = weights.as<std::int8_t>();
  const bool seven_bits =
      std::all_of(w, w + weights.elements(), [](std::int8_t x) { return x >= -64 && x <= 64; });
  return seven_bits ? QuantMatMulPath::int8 : QuantMatMulPath::widened;
}

std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request, QuantMatMulPath path) {
  const Inputs& in = request.constants;
  if (!request.is_constant(kQuantW)) return nullptr;
  // The node's rule refuses what does not fit, once shapes are known.
  if (in[kQuantW].dtype != DType::i8 || in[kQuantW].shape.size() != 2) return nullptr;
  const auto per_column = [&](std::size_t i) {
    return request.is_constant(i) && in[i].dtype == DType::f32 && in[i].elements() == in[kQuantW].shape[1];
  };
  if (!per_column(kQuantWScale) || (request.node.has_input(kQuantBias) && !per_column(kQuantBias)))
    return nullptr;
  Prepared prepared{quant_matmul_attributes(request.node), path, in[kQuantW].data, {}, {}};
  const float* w_scale = in[kQuantWScale].as<float>();
  prepared.scales.assign(w_scale, w_scale + in[kQuantWScale].elements());
  for (float& scale : prepared.scales) {
    scale *= prepared.attributes.a_scale;
    if (!(scale > 1e-30f) || !std::isfinite(scale)) return nullptr;
  }
  if (request.node.has_input(kQuantBias)) {
    const float* bias = in[kQuantBias].as<float>();
    for (std::size_t i = 0; i < prepared.scales.size(); ++i)
      prepared.bias.push_back(bias[i] / prepared.scales[i]);
  }
  return std::make_unique<QuantMatMulNode>(request, std::move(prepared));
}

std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request) {
  if (!request.is_constant(kQuantW) || request.constants[kQuantW].dtype != DType::i8) return nullptr;
  return prepare_quant_matmul(request,
                              quant_matmul_path(request.constants[kQuantW], int8_products_saturate()));
}

std::unique_ptr<PreparedNode> prepare_quantize_linear(const PrepareRequest& request) {
  const Inputs& in = request.constants;
  if (in.size() != 3) return nullptr;
  const TensorView &scale = in[1], &zero_point = in[2];
  if (!scale.data || !zero_point.data || scale.dtype != DType::f32 || zero_point.dtype != DType::u8)
    return nullptr;
  if (scale.elements() != 1 || zero_point.elements() != 1) return nullptr;
  const float s = *scale.as<float>();
  if (!(s > 0) || !std::isfinite(s)) return nullptr;
  return std::make_unique<QuantizeLinearNode>(request, s, *zero_point.as<std::uint8_t>());
}

}  // namespace edgeclip::engine
