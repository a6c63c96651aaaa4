#include "builder/quantize/histogram.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "builder/quantize/quant_math.h"

namespace edgeclip::builder {

void Histogram::add(const float* values, std::int64_t n, const std::string& where) {
  if (n == 0) return;
  float low = values[0], high = values[0];
  bool finite = true;
  for (std::int64_t i = 0; i < n; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
    finite &= std::isfinite(values[i]);
  }
  if (!finite) invalid_input("{}: values are not finite; the model cannot be calibrated", where);
  min_ = count_ == 0 ? low : std::min<double>(min_, low);
  max_ = count_ == 0 ? high : std::max<double>(max_, high);
  count_ += n;

  const double magnitude = std::max(std::abs(low), std::abs(high));
  if (bins_.empty()) bins_.assign(kBins, 0);
  if (limit_ ==
      0) {  // so far nothing but zeros, all of them in the bin of 0, which is the middle of any range
    limit_ = std::max(magnitude, 1e-30);
  }
  while (magnitude > limit_) {
    std::vector<std::int64_t> wider(kBins, 0);
    for (std::int64_t i = 0; i < kBins; ++i)
      wider[static_cast<std::size_t>(kBins / 4 + i / 2)] += bins_[static_cast<std::size_t>(i)];
    bins_ = std::move(wider);
    limit_ *= 2;
  }
  const double scale = 1 / width();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto bin = static_cast<std::int64_t>((values[i] + limit_) * scale);
    ++bins_[static_cast<std::size_t>(std::min(bin, kBins - 1))];
  }
}

Range Histogram::percentile_range(double percentile) const {
  Range range{min_, max_};
  if (percentile >= 100 || count_ == 0) return range;
  const double cut = (1 - percentile / 100) / 2 * static_cast<double>(count_);
  double below = 0;
  for (std::int64_t i = 0; i < kBins; ++i) {
    below += static_cast<double>(bins_[static_cast<std::size_t>(i)]);
    if (below > cut) {
      range.low = std::max(min_, centre(i) - width() / 2);
      break;
    }
  }
  double above = 0;
  for (std::int64_t i = kBins - 1; i >= 0; --i) {
    above += static_cast<double>(bins_[static_cast<std::size_t>(i)]);
    if (above > cut) {
      range.high = std::min(max_, centre(i) + width() / 2);
      break;
    }
  }
  return range;
}

double Histogram::squared_error(const Range& range) const {
  const ActivationScale scale = activation_scale(range.low, range.high);
  const double lowest = dequantize_value(0, scale), highest = dequantize_value(255, scale);
  // Inside, rounding errors are uniform over one step; bins narrower than a step know no better.
  const double rounding = static_cast<double>(scale.scale) * scale.scale / 12;
  double error = 0;
  for (std::int64_t i = 0; i < kBins; ++i) {
    const std::int64_t n = bins_[static_cast<std::size_t>(i)];
    if (n == 0) continue;
    const double x = centre(i), outside = x < lowest ? lowest - x : x > highest ? x - highest : 0;
    error += static_cast<double>(n) * (outside > 0 ? outside * outside : rounding);
  }
  return error;
}

Range Histogram::least_error_range() const {
  Range best{std::min(min_, 0.0), std::max(max_, 0.0)};
  if (count_ == 0) return best;
  double least = squared_error(best);
  for (bool better = true; better;) {
    better = false;
    for (double Range::*end : {&Range::low, &Range::high}) {
      // Looks a few steps ahead: between two outliers the error rises before it falls.
      for (int steps = 1; steps <= 16; ++steps) {
        Range candidate = best;
        candidate.*end *= std::pow(0.98, steps);
        const double error = squared_error(candidate);
        if (error >= least) continue;
        least = error;
        best = candidate;
        better = true;
        break;
      }
    }
  }
  return best;
}

}  // namespace edgeclip::builder
