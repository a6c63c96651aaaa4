#include "builder/quantize/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "builder/quantize/quant_math.h"

namespace edgeclip::builder {

namespace {

/// Kullback-Leibler divergence of the first `kept` magnitudes, with all that lies beyond added to the last,
/// from what `levels` levels leave of them: each level's counts spread evenly over its bins that held any.
double divergence(const std::vector<double>& magnitudes, std::size_t kept, std::size_t levels) {
  double total = 0, inside = 0;
  for (std::size_t i = 0; i < magnitudes.size(); ++i) {
    total += magnitudes[i];
    if (i < kept) inside += magnitudes[i];
  }
  if (inside == 0) return std::numeric_limits<double>::infinity();
  double sum = 0;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::size_t begin = level * kept / levels, end = (level + 1) * kept / levels;
    double count = 0, held = 0;
    for (std::size_t i = begin; i < end; ++i) {
      count += magnitudes[i];
      held += magnitudes[i] > 0 ? 1 : 0;
    }
    for (std::size_t i = begin; i < end; ++i) {
      const double clipped = i + 1 == kept ? total - inside : 0, p = (magnitudes[i] + clipped) / total;
      if (p == 0) continue;
      if (magnitudes[i] == 0) return std::numeric_limits<double>::infinity();  // clipped to where nothing was
      sum += p * std::log(p / (count / held / inside));
    }
  }
  return sum;
}

}  // namespace

void Histogram::add(const float* values, std::int64_t n, const std::string& where) {
  if (n == 0) return;
  float low = values[0], high = values[0];
  bool finite = true;
  for (std::int64_t i = 0; i < n; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
    finite &= std::isfinite(values[i]);
  }
  if (!finite) invalid_input("{}: values are not finite; calibrate with samples of which all are, or leave the layer out", where);
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

std::vector<double> Histogram::magnitudes() const {
  std::vector<double> counts(kBins / 2, 0);
  for (std::int64_t i = 0; i < kBins; ++i)
    counts[static_cast<std::size_t>(i >= kBins / 2 ? i - kBins / 2 : kBins / 2 - 1 - i)] +=
        static_cast<double>(bins_[static_cast<std::size_t>(i)]);
  while (!counts.empty() && counts.back() == 0) counts.pop_back();
  return counts;
}

Range Histogram::entropy_range() const {
  constexpr std::size_t kStep = 4;  // bins between thresholds that are tried: a thousandth of the range
  const Range all{std::min(min_, 0.0), std::max(max_, 0.0)};
  if (count_ == 0) return all;
  std::vector<double> counts = magnitudes();
  const std::size_t levels = all.low < 0 && all.high > 0 ? 128 : 256;
  if (counts.size() <= levels) return all;
  counts[0] = counts[1];
  std::size_t best = counts.size();
  double least = divergence(counts, best, levels);
  for (std::size_t kept = levels; kept < counts.size(); kept += kStep) {
    const double divergent = divergence(counts, kept, levels);
    if (divergent >= least) continue;
    least = divergent;
    best = kept;
  }
  if (best == counts.size()) return all;
  const double threshold = static_cast<double>(best) * width();
  return {std::max(all.low, -threshold), std::min(all.high, threshold)};
}

}  // namespace edgeclip::builder
