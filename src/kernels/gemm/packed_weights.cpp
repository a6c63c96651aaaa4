#include "kernels/gemm/packed_weights.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/error.h"
#include "kernels/gemm/micro_kernels.h"

namespace edgeclip::kernels {

namespace {

constexpr std::size_t kCacheLine = 64, kHugePage = std::size_t{2} << 20;

/// Sizes of panels.
PackedLayout layout(WeightType type, CpuLevel level, std::int64_t k, std::int64_t n, int width, int group, int step,
                    std::size_t element) {
  PackedLayout made;
  PackedWeights& packed = made.weights;
  packed.type = type;
  packed.level = level;
  packed.k = k;
  packed.n = n;
  packed.width = width;
  packed.group = group;
  const std::int64_t rows = std::int64_t{group} * step;
  packed.groups = (k + rows - 1) / rows * step;
  packed.panel_elements = packed.groups * width * group;
  made.data_bytes = static_cast<std::size_t>(packed.panels() * packed.panel_elements) * element;
  return made;
}

/// And their place.
PackedWeights placed(PackedLayout layout) {
  layout.weights.data = AlignedBuffer(layout.data_bytes);
  return std::move(layout.weights);
}

/// load(k, first, columns, row) of each row of each panel, panel by panel; what there is not is zero.
template <class Element, int kGroup, class Load>
void fill(PackedWeights& packed, Executor& executor, const Load& load) {
  auto* data = reinterpret_cast<Element*>(packed.data.data());
  executor.run(packed.panels(), [&](std::int64_t p) {
    Element* out = data + p * packed.panel_elements;
    const std::int64_t first = p * packed.width, columns = std::min<std::int64_t>(packed.width, packed.n - first);
    for (std::int64_t g = 0; g < packed.groups; ++g, out += packed.width * kGroup) {
      Element rows[kGroup][kMostColumns] = {};
      for (int i = 0; i < kGroup; ++i)
        if (g * kGroup + i < packed.k) load(g * kGroup + i, first, columns, rows[i]);
      for (int c = 0; c < packed.width; ++c)
        for (int i = 0; i < kGroup; ++i) out[c * kGroup + i] = rows[i][c];
    }
  });
}

/// Of weights where they lie.
template <class Element>
auto strided(const Element* w, std::int64_t row_stride, std::int64_t column_stride) {
  return [=](std::int64_t k, std::int64_t first, std::int64_t columns, Element* row) {
    const Element* from = w + k * row_stride + first * column_stride;
    if (column_stride == 1)
      std::copy_n(from, columns, row);
    else
      for (std::int64_t c = 0; c < columns; ++c) row[c] = from[c * column_stride];
  };
}

std::int8_t halved(std::int8_t w) {
  return static_cast<std::int8_t>(std::nearbyint(static_cast<float>(w) * 0.5F));
}

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes) : bytes_(bytes) {
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  const std::size_t whole = (std::max<std::size_t>(bytes, 1) + kCacheLine - 1) / kCacheLine * kCacheLine;
  void* memory = nullptr;
  if (::posix_memalign(&memory, alignment, whole) != 0) throw std::bad_alloc();
  data_.reset(static_cast<std::byte*>(memory));
  // Whole huge pages only: the rest of the last one would be memory for nothing.
  if (bytes >= kHugePage) ::madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
}

void AlignedBuffer::Free::operator()(std::byte* data) const { std::free(data); }

PackedLayout layout_f32(std::int64_t k, std::int64_t n, CpuLevel level) {
  return layout(WeightType::f32, level, k, n, f32_kernels(level).width, 1, 1, sizeof(float));
}

PackedWeights pack_f32(const float* w, std::int64_t k, std::int64_t n, std::int64_t row_stride,
                       std::int64_t column_stride, CpuLevel level, Executor& executor) {
  PackedWeights packed = placed(layout_f32(k, n, level));
  fill<float, 1>(packed, executor, strided(w, row_stride, column_stride));
  return packed;
}

bool has_bf16_products(CpuLevel level) { return bf16_kernels(level) != nullptr; }

PackedLayout layout_bf16(std::int64_t k, std::int64_t n, CpuLevel level) {
  const Bf16Kernels* kernels = bf16_kernels(level);
  EDGECLIP_CHECK(kernels != nullptr, "no bfloat16 products at {}", level_name(level));
  return layout(WeightType::bf16, level, k, n, kernels->width, 2, kernels->step, sizeof(std::uint16_t));
}

PackedWeights pack_bf16(const std::uint16_t* w, std::int64_t k, std::int64_t n, std::int64_t row_stride,
                        std::int64_t column_stride, CpuLevel level, Executor& executor) {
  PackedWeights packed = placed(layout_bf16(k, n, level));
  fill<std::uint16_t, 2>(packed, executor, strided(w, row_stride, column_stride));
  return packed;
}

bool needs_seven_bits(CpuLevel level) { return s8_kernels(level).seven_bits; }

PackedLayout layout_s8(std::int64_t k, std::int64_t n, bool signed_a, CpuLevel level) {
  const S8Kernels& kernels = s8_kernels(level);
  PackedLayout made = layout(WeightType::s8, level, k, n, kernels.width, 4, kernels.step, 1);
  PackedWeights& packed = made.weights;
  packed.signed_a = signed_a;
  packed.offset = signed_a && kernels.row_sums != nullptr;
  const auto padded = static_cast<std::size_t>(packed.panels() * packed.width);
  packed.column_sums.assign(padded, 0);
  if (kernels.seven_bits) packed.column_factor.assign(padded, 1);
  return made;
}

PackedWeights pack_s8(const std::int8_t* w, std::int64_t k, std::int64_t n, bool signed_a, CpuLevel level,
                      Executor& executor) {
  const S8Kernels& kernels = s8_kernels(level);
  PackedWeights packed = placed(layout_s8(k, n, signed_a, level));
  if (kernels.seven_bits)
    executor.run(packed.panels(), [&](std::int64_t p) {  // a thread's columns lie side by side
      const std::int64_t first = p * packed.width, end = std::min<std::int64_t>(first + packed.width, n);
      for (std::int64_t row = 0; row < k; ++row)
        for (std::int64_t column = first; column < end; ++column) {
          const std::int8_t x = w[row * n + column];
          if (x < -64 || x > 64) packed.column_factor[static_cast<std::size_t>(column)] = 2;
        }
    });
  fill<std::int8_t, 4>(packed, executor, [&](std::int64_t k, std::int64_t first, std::int64_t columns, std::int8_t* row) {
    std::copy_n(w + k * n + first, columns, row);
    if (kernels.seven_bits)
      for (std::int64_t c = 0; c < columns; ++c)
        if (packed.column_factor[static_cast<std::size_t>(first + c)] != 1) row[c] = halved(row[c]);
    std::int32_t* sums = packed.column_sums.data() + first;
    for (std::int64_t c = 0; c < columns; ++c) sums[c] += row[c];
    if (packed.offset)
      for (std::int64_t c = 0; c < columns; ++c) row[c] ^= -128;
  });
  return packed;
}

}  // namespace edgeclip::kernels
