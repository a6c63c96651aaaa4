#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/executor.h"

namespace edgeclip::kernels {

enum class WeightType : std::uint8_t {
  f32,   ///< by float32 activations
  bf16,  ///< by bfloat16 activations
  s8     ///< by uint8 or int8 activations
};

/// 64-byte aligned, not initialized; large ones ask for huge pages, since they are read from end to end.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// Throws std::bad_alloc.
  explicit AlignedBuffer(std::size_t bytes);
  /// Memory of somebody else's (a mapped file), to be read alone; 64-byte aligned as well.
  AlignedBuffer(std::shared_ptr<const std::byte> borrowed, std::size_t bytes)
      : borrowed_(std::move(borrowed)), bytes_(bytes) {}
  std::byte* data() { return data_.get(); }  ///< null if it is borrowed
  const std::byte* data() const { return borrowed_ ? borrowed_.get() : data_.get(); }
  std::size_t bytes() const { return bytes_; }
  bool is_borrowed() const { return borrowed_ != nullptr; }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::shared_ptr<const std::byte> borrowed_;
  std::size_t bytes_ = 0;
};

/// Counts changes of what the functions below make of the same weights: packed weights that were kept in a file
/// are used by the same number alone.
inline constexpr std::uint32_t kPackedFormat = 1;

/// The constant operand of a product, W (K, N), in the order that kernels of one level read it:
///   panels of `width` columns, [ceil(N / width)][ceil(K / group)][width][group]
/// where `group` rows that one instruction sums lie side by side (1 float, 2 bfloat16, 4 int8).  Missing
/// columns and rows are zeros.
struct PackedWeights {
  WeightType type = WeightType::f32;
  CpuLevel level = CpuLevel::scalar;
  std::int64_t k = 0, n = 0;
  int width = 0, group = 1;
  std::int64_t groups = 0;          ///< rows of a panel: K in groups, rounded up to what one step takes
  std::int64_t panel_elements = 0;  ///< groups * width * group
  bool signed_a = false;            ///< s8: the activations are int8, else uint8
  /// s8 by int8 activations at levels whose instruction wants one unsigned operand: W + 128 is stored, and 128
  /// times the sum of each row of A is taken off.
  bool offset = false;
  std::vector<std::int32_t> column_sums;  ///< s8: of W as the products see it, by column, padded to panels
  /// s8, `halved`: by column, 2 where the weights were rounded to 7 bits (stored: round(w / 2)), else 1.
  std::vector<float> column_factor;
  AlignedBuffer data;

  std::int64_t panels() const { return width == 0 ? 0 : (n + width - 1) / width; }
  std::size_t bytes() const { return data.bytes() + (column_sums.size() + column_factor.size()) * 4; }
  /// The same without memory that is borrowed.
  std::size_t own_bytes() const { return bytes() - (data.is_borrowed() ? data.bytes() : 0); }
};

/// How weights will lie, before they are packed: the fields of PackedWeights without data, nothing found yet of
/// their columns.
struct PackedLayout {
  PackedWeights weights;
  std::size_t data_bytes = 0;
};
PackedLayout layout_f32(std::int64_t k, std::int64_t n, CpuLevel level);

/// w[k * row_stride + n * column_stride].  level: one of cpu_levels().  Panels are divided over the executor's
/// threads.  Throws std::bad_alloc.
PackedWeights pack_f32(const float* w, std::int64_t k, std::int64_t n, std::int64_t row_stride,
                       std::int64_t column_stride, CpuLevel level, Executor& executor = serial_executor());

/// Whether there are kernels of bfloat16 products at this level.
bool has_bf16_products(CpuLevel level);
/// The level has_bf16_products().
PackedLayout layout_bf16(std::int64_t k, std::int64_t n, CpuLevel level);
/// The same of bfloat16 patterns.  The level has_bf16_products().
PackedWeights pack_bf16(const std::uint16_t* w, std::int64_t k, std::int64_t n, std::int64_t row_stride,
                        std::int64_t column_stride, CpuLevel level, Executor& executor = serial_executor());

/// Whether 8-bit products of this level need weights of 7 bits (|w| <= 64): pairs of products are summed in 16
/// bits there (vpmaddubsw), which others would overflow.
bool needs_seven_bits(CpuLevel level);
PackedLayout layout_s8(std::int64_t k, std::int64_t n, bool signed_a, CpuLevel level);
/// row-major int8.  signed_a: the activations are int8.  Where the level needs_seven_bits(), columns with larger
/// weights are halved and rounded (half to even), and column_factor says so: products are then not exact.
PackedWeights pack_s8(const std::int8_t* w, std::int64_t k, std::int64_t n, bool signed_a, CpuLevel level,
                      Executor& executor = serial_executor());

}  // namespace edgeclip::kernels
