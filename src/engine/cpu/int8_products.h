#pragma once

#include <cstdint>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/quant_matmul.h"

namespace edgeclip::engine {

/// How products of 8-bit activations and int8 weights are computed on this CPU.
enum class Int8Path {
  exact,    ///< as they are, summed exactly in 32 bits
  shifted,  ///< int8 activations moved to uint8 first, then the same
  widened   ///< activations and weights widened to float32: exact sums up to rounding, at fp32 speed
};

/// Without VNNI, x86's vpmaddubsw adds two u8 x s8 products in 16 bits with saturation: 255 * 127 * 2
/// overflows; oneDNN halves the weights of s8 x s8 convolutions there.  True where oneDNN would do so
/// (follows ONEDNN_MAX_CPU_ISA).
bool int8_products_saturate();

/// Whether all int8 weights lie in [-64, 64].
bool has_seven_bits(const TensorView& weights);

/// Weights of 7 bits (|w| <= 64, `quantize` with weight_bits 7) cannot overflow it beside uint8.  Others are
/// widened where products saturate, so that sums are the same on every CPU; and so are sums of
/// so many `products` that 32 bits could overflow.
Int8Path int8_path(const TensorView& weights, std::int64_t products, bool saturating);

/// The 8-bit operand of a product in the form that a path takes, in a kernel's scratch where that is not the
/// given one.
class Int8Source {
 public:
  /// given: uint8 or int8.
  Int8Source(Int8Path path, DType given, std::int32_t zero_point, std::int64_t elements,
             const BindRequest& request);

  /// For the primitive: the operand's type and its zero point, 0 where it is taken off.
  dnnl::memory::data_type type() const { return type_; }
  std::int32_t zero_point() const { return type_ == kF32 ? 0 : zero_point_; }

  /// behind: bytes at the scratch's start that belong to the primitive itself.  Returns the end of what the
  /// source needs there.
  std::size_t reserve(std::size_t behind);
  /// Valid until another kernel runs.
  const std::byte* convert(const std::byte* given) const;

 private:
  const DType given_;
  const bool shifted_;
  const dnnl::memory::data_type type_;
  const std::int32_t zero_point_;  ///< of the operand as the primitive sees it, or as it is given: widened
  const std::int64_t elements_;
  Scratch& scratch_;
  kernels::Executor& executor_;
  std::size_t offset_ = 0;
};

/// How edgeclip.QuantMatMul multiplies.
enum class QuantProducts {
  fast,   ///< exactly, but where the CPU's products need weights of 7 bits and those of a column are larger: rounded
  exact,  ///< those widened instead: for operators whose results the standard fixes
  widened
};
/// Products of our own (kernels/gemm); nullptr where weights, scales or bias are no constants.
std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request, QuantProducts products);
/// edgeclip.QuantConv by oneDNN on a given path, for tests; nullptr also where a scale is so small that
/// bias / scale overflows.
std::unique_ptr<PreparedNode> prepare_quant_conv(const PrepareRequest& request, Int8Path path);

/// Scales and bias of a product: oneDNN 2.6 computes scale[n] * (sum + bias[n]).
struct ProductScales {
  std::vector<float> scales;  ///< common * w_scale[n]
  std::vector<float> bias;    ///< divided by the scales; empty where there is none
};

/// From constant inputs of `count` float32; nothing where they are no such.
std::optional<ProductScales> product_scales(const PrepareRequest& request, std::size_t w_scale,
                                            std::size_t bias, std::int64_t count, float common);

}  // namespace edgeclip::engine
