#include <algorithm>
#include <cstring>

#include "data/image/resample.h"

// Compiled once per instruction set, chosen at run time (github.com/google/highway).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "data/image/resample_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// A weight of 23 bits and a sign does not fit a 16-bit multiplication, but its two parts do:
//   weight = high * 2^12 + low,   0 <= low < 2^12,   sum(p * weight) = (sum(p * high) << 12) + sum(p * low)
// which is exact in 32 bits, so the result is that of the reference to the last bit.  Two pixels at once are
// multiplied and added: p0 * w0 + p1 * w1.
HWY_BEFORE_NAMESPACE();
namespace edgeclip {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR  // no vectors here: the reference is as good

void HorizontalRows(const Image& image, const ResampleWeights& w, int first_row, int rows, Image& out) {
  out = horizontal_pass_reference(image, w, first_row, rows);
}

void VerticalRows(const Image& image, const ResampleWeights& w, int first_row, Image& out) {
  out = vertical_pass_reference(image, w, first_row);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kLowBits = 12;
constexpr int kRounding = 1 << (kWeightBits - 1);

/// (sum of high parts, sum of low parts) to pixels, 32 bits each.
template <class D, class V = hn::Vec<D> >
V to_pixels(D d, V high, V low) {
  const V sum = hn::Add(hn::Add(hn::ShiftLeft<kLowBits>(high), low), hn::Set(d, kRounding));
  return hn::ShiftRight<kWeightBits>(sum);
}

/// Sums of two products each, in order: out[i] = a[2i] * b[2i] + a[2i+1] * b[2i+1] + sum[i].
template <class D32, class V16, class V32 = hn::Vec<D32> >
V32 add_pairs(D32 d32, V16 a, V16 b, V32 sum) {
  V32 rest = hn::Zero(d32);
  const V32 first = hn::ReorderWidenMulAccumulate(d32, a, b, sum, rest);
  return hn::RearrangeToOddPlusEven(first, rest);
}

// One pixel at a time: four input pixels are 12 bytes, put in order as pairs of 16 bits
//   r0 r1 g0 g1 b0 b1 0 0 | r2 r3 g2 g3 b2 b3 0 0
// so that four sums (red, green, blue, nothing) grow side by side, for two pairs of pixels at once.
struct PixelWeights {
  int groups;                        // of four input pixels
  std::vector<std::int16_t> values;  // (count, groups, high then low, 16)
};

PixelWeights spread(const ResampleWeights& w) {
  PixelWeights out;
  out.groups = 1;
  for (const int length : w.length) out.groups = std::max(out.groups, (length + 3) / 4);
  out.values.assign(static_cast<std::size_t>(w.count() * out.groups) * 32, 0);
  for (int i = 0; i < w.count(); ++i)
    for (int k = 0; k < w.length[static_cast<std::size_t>(i)]; ++k) {
      const std::int32_t weight = w.weights[static_cast<std::size_t>(i * w.taps + k)];
      std::int16_t* group = out.values.data() + static_cast<std::size_t>(i * out.groups + k / 4) * 32;
      for (int channel = 0; channel < 3; ++channel) {
        const int at = k % 4 / 2 * 8 + 2 * channel + k % 2;
        group[at] = static_cast<std::int16_t>(weight >> kLowBits);
        group[16 + at] = static_cast<std::int16_t>(weight & ((1 << kLowBits) - 1));
      }
    }
  return out;
}

/// in: one row, readable 16 bytes past the last pixel that w names.
void HorizontalRow(const std::uint8_t* HWY_RESTRICT in, const ResampleWeights& w,
                   const PixelWeights& spread_weights, std::uint8_t* HWY_RESTRICT out) {
  const hn::FixedTag<std::uint8_t, 16> d8;
  const hn::FixedTag<std::int16_t, 8> d16;
  const hn::FixedTag<std::int32_t, 4> d32;
  // 0x80 gives zero: the high byte of each 16 bits.
  alignas(16) static constexpr std::uint8_t kFirst[16] = {0, 0x80, 3, 0x80, 1,    0x80, 4,    0x80,
                                                          2, 0x80, 5, 0x80, 0x80, 0x80, 0x80, 0x80};
  alignas(16) static constexpr std::uint8_t kSecond[16] = {6, 0x80, 9,  0x80, 7,    0x80, 10,   0x80,
                                                           8, 0x80, 11, 0x80, 0x80, 0x80, 0x80, 0x80};
  const auto first = hn::Load(d8, kFirst), second = hn::Load(d8, kSecond);
  const int count = w.count(), groups = spread_weights.groups;
  const std::int16_t* weights = spread_weights.values.data();
  for (int i = 0; i < count; ++i) {
    const std::uint8_t* from = in + 3 * w.start[static_cast<std::size_t>(i)];
    auto high = hn::Zero(d32), low = hn::Zero(d32);
    for (int g = 0; g < groups; ++g, from += 12, weights += 32) {
      const auto bytes = hn::LoadU(d8, from);
      const auto a = hn::BitCast(d16, hn::TableLookupBytesOr0(bytes, first));
      const auto b = hn::BitCast(d16, hn::TableLookupBytesOr0(bytes, second));
      high = add_pairs(d32, a, hn::LoadU(d16, weights), high);
      high = add_pairs(d32, b, hn::LoadU(d16, weights + 8), high);
      low = add_pairs(d32, a, hn::LoadU(d16, weights + 16), low);
      low = add_pairs(d32, b, hn::LoadU(d16, weights + 24), low);
    }
    const auto pixels = to_pixels(d32, high, low);
    const auto clipped = hn::DemoteTo(hn::FixedTag<std::uint8_t, 4>(), pixels);
    std::uint8_t four[4];
    hn::StoreU(clipped, hn::FixedTag<std::uint8_t, 4>(), four);
    std::memcpy(out + 3 * i, four, 3);
  }
}

void HorizontalRows(const Image& image, const ResampleWeights& w, int first_row, int rows, Image& out) {
  const PixelWeights weights = spread(w);
  // A row may be read a little past its end: into the next one, but the last one is copied.
  std::size_t needed = 0;
  for (int i = 0; i < w.count(); ++i)
    needed = std::max(
        needed, 3 * static_cast<std::size_t>(w.start[static_cast<std::size_t>(i)] + 4 * weights.groups) + 16);
  const std::uint8_t* end = image.rgb.data() + image.rgb.size();
  std::vector<std::uint8_t> padded;
  for (int y = 0; y < rows; ++y) {
    const std::uint8_t* in = image.row(first_row + y);
    if (static_cast<std::size_t>(end - in) < needed) {
      padded.assign(needed, 0);
      std::copy(in, in + 3 * static_cast<std::size_t>(image.width), padded.begin());
      in = padded.data();
    }
    HorizontalRow(in, w, weights, out.row(y));
  }
}

/// One output row from `length` input rows that lie `stride` bytes apart; bytes of them are `values`.
void VerticalRow(const std::uint8_t* HWY_RESTRICT in, std::size_t stride, const std::int32_t* weights,
                 int length, std::size_t values, std::uint8_t* HWY_RESTRICT out) {
  const hn::ScalableTag<std::int16_t> d16;
  const hn::ScalableTag<std::int32_t> d32;
  const hn::Rebind<std::uint8_t, decltype(d16)> d8;
  const std::size_t lanes = hn::Lanes(d16);
  std::size_t x = 0;
  for (; x + lanes <= values; x += lanes) {
    auto high0 = hn::Zero(d32), high1 = high0, low0 = high0, low1 = high0;
    const std::uint8_t* from = in + x;
    for (int k = 0; k < length; k += 2, from += 2 * stride) {
      const bool pair = k + 1 < length;
      const std::int32_t w0 = weights[k], w1 = pair ? weights[k + 1] : 0;
      const auto both = [&](std::int32_t a, std::int32_t b) {
        return hn::BitCast(d16,
                           hn::Set(d32, static_cast<std::int32_t>(static_cast<std::uint32_t>(a & 0xFFFF) |
                                                                  static_cast<std::uint32_t>(b) << 16)));
      };
      const auto high = both(w0 >> kLowBits, w1 >> kLowBits);
      const auto low = both(w0 & ((1 << kLowBits) - 1), w1 & ((1 << kLowBits) - 1));
      const auto p0 = hn::PromoteTo(d16, hn::LoadU(d8, from));
      const auto p1 = pair ? hn::PromoteTo(d16, hn::LoadU(d8, from + stride)) : hn::Zero(d16);
      const auto lower = hn::InterleaveLower(d16, p0, p1), upper = hn::InterleaveUpper(d16, p0, p1);
      high0 = add_pairs(d32, lower, high, high0);
      high1 = add_pairs(d32, upper, high, high1);
      low0 = add_pairs(d32, lower, low, low0);
      low1 = add_pairs(d32, upper, low, low1);
    }
    // Interleaved within blocks of 128 bits, and so put together again.
    const auto pixels = hn::ReorderDemote2To(d16, to_pixels(d32, high0, low0), to_pixels(d32, high1, low1));
    hn::StoreU(hn::DemoteTo(d8, pixels), d8, out + x);
  }
  for (; x < values; ++x) {
    std::int32_t sum = kRounding;
    for (int k = 0; k < length; ++k) sum += in[x + static_cast<std::size_t>(k) * stride] * weights[k];
    out[x] = static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
  }
}

void VerticalRows(const Image& image, const ResampleWeights& w, int first_row, Image& out) {
  const std::size_t stride = 3 * static_cast<std::size_t>(image.width);
  for (int y = 0; y < w.count(); ++y) {
    const auto i = static_cast<std::size_t>(y);
    VerticalRow(image.row(w.start[i] - first_row), stride,
                w.weights.data() + i * static_cast<std::size_t>(w.taps), w.length[i], stride, out.row(y));
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace edgeclip
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgeclip {

HWY_EXPORT(HorizontalRows);
HWY_EXPORT(VerticalRows);

Image horizontal_pass(const Image& image, const ResampleWeights& w, int first_row, int rows) {
  Image out(w.count(), rows);
  HWY_DYNAMIC_DISPATCH(HorizontalRows)(image, w, first_row, rows, out);
  return out;
}

Image vertical_pass(const Image& image, const ResampleWeights& w, int first_row) {
  Image out(image.width, w.count());
  HWY_DYNAMIC_DISPATCH(VerticalRows)(image, w, first_row, out);
  return out;
}

}  // namespace edgeclip
#endif  // HWY_ONCE
