#pragma once

#include <cstdint>
#include <vector>

namespace edgeclip {

/// Percentiles of a stream of numbers in bounded memory (22 KiB at most, however long a soak is).
/// Up to kExact values are kept: their percentiles are exact.  Beyond, they are counted in buckets whose
/// bounds grow by (1 + e) / (1 - e), which finds every percentile with a relative error of at most e = 1 %:
/// DDSketch (Masson, Rim, Lee: DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
/// Guarantees, VLDB 2019), over the fixed range 1e-6 to 1e9, outside of which values count as its ends.
/// Count, sum, least and greatest are exact always.  Not thread-safe.
class QuantileSketch {
 public:
  static constexpr std::size_t kExact = 1024;
  static constexpr double kRelativeError = 0.01;

  /// value: finite (CHECKed), as in times or sizes; what is not above 0 counts as 0.  times: at least 0.
  void add(double value, std::int64_t times = 1);

  /// Takes all the memory that it may ever need now, and touches it: where memory is watched, what watches must not grow.
  void reserve();
  /// As new, with the memory kept.
  void clear();

  std::int64_t count() const { return count_; }
  double sum() const { return sum_; }
  double mean() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }
  double least() const { return count_ > 0 ? least_ : 0; }
  double greatest() const { return count_ > 0 ? greatest_ : 0; }
  /// The value below which `share` (0 to 1) of the values lie; of few values between neighbours by straight
  /// line, as NumPy's percentile does.  0 for no values.
  double quantile(double share) const;

 private:
  void add_to_bucket(double value, std::int64_t times);
  double exact_quantile(double rank) const;

  std::vector<double> values_;         ///< all of them; empty once they are in buckets
  std::vector<std::int64_t> buckets_;  ///< counts; bucket 0: values of 0
  bool reserved_ = false;
  std::int64_t count_ = 0;
  double sum_ = 0, least_ = 0, greatest_ = 0;
};

}  // namespace edgeclip
