#include "base/quantile_sketch.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace edgeclip {

namespace {

constexpr double kGamma = (1 + QuantileSketch::kRelativeError) / (1 - QuantileSketch::kRelativeError);
constexpr double kSmallest = 1e-6, kLargest = 1e9;

/// Bucket i holds the values in (kSmallest * gamma^(i-2), kSmallest * gamma^(i-1)]; 0 those that are not
/// above 0.
std::size_t bucket_of(double value) {
  if (!(value > 0)) return 0;
  const double inside = std::clamp(value, kSmallest, kLargest);
  return 1 +
         static_cast<std::size_t>(std::max(0.0, std::ceil(std::log(inside / kSmallest) / std::log(kGamma))));
}

/// The value whose relative distance to both bounds of a bucket is the same.
double value_of(std::size_t bucket) {
  if (bucket == 0) return 0;
  return kSmallest * std::pow(kGamma, static_cast<double>(bucket) - 1) * 2 / (1 + kGamma);
}

}  // namespace

void QuantileSketch::add(double value, std::int64_t times) {
  EDGECLIP_CHECK(std::isfinite(value) && times >= 0, "{} times {}", times, value);
  if (times == 0) return;
  value = std::max(value, 0.0);
  least_ = count_ == 0 ? value : std::min(least_, value);
  greatest_ = count_ == 0 ? value : std::max(greatest_, value);
  count_ += times;
  sum_ += value * static_cast<double>(times);
  if (buckets_.empty() && count_ <= static_cast<std::int64_t>(kExact)) {
    values_.insert(values_.end(), static_cast<std::size_t>(times), value);
    return;
  }
  if (buckets_.empty()) {
    buckets_.assign(bucket_of(kLargest) + 1, 0);
    for (const double earlier : values_) add_to_bucket(earlier, 1);
    values_.clear();
    if (!reserved_) values_.shrink_to_fit();
  }
  add_to_bucket(value, times);
}

void QuantileSketch::reserve() {
  reserved_ = true;
  values_.assign(kExact, 0);
  buckets_.assign(bucket_of(kLargest) + 1, 0);
  clear();
}

void QuantileSketch::clear() {
  values_.clear();
  buckets_.clear();
  count_ = 0;
  sum_ = least_ = greatest_ = 0;
}

void QuantileSketch::add_to_bucket(double value, std::int64_t times) {
  buckets_[std::min(bucket_of(value), buckets_.size() - 1)] += times;
}

double QuantileSketch::quantile(double share) const {
  if (count_ == 0) return 0;
  const double rank = std::clamp(share, 0.0, 1.0) * static_cast<double>(count_ - 1);
  if (buckets_.empty()) return exact_quantile(rank);
  std::int64_t below = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    below += buckets_[i];
    if (static_cast<double>(below) > rank) return std::clamp(value_of(i), least_, greatest_);
  }
  return greatest_;
}

double QuantileSketch::exact_quantile(double rank) const {
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (rank - std::floor(rank)) * (sorted[above] - sorted[below]);
}

}  // namespace edgeclip
