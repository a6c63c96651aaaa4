#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edgeclip::builder {

struct Range {
  double low = 0, high = 0;
};

/// Counts of values in equal bins around 0, over a range that doubles as larger values come (neighbouring
/// bins are added up, so nothing is lost but resolution): one pass over the data, whatever its range.  Not
/// thread-safe.
class Histogram {
 public:
  /// Throws InvalidInput (where) at the first value that is not finite.
  void add(const float* values, std::int64_t n, const std::string& where);

  std::int64_t count() const { return count_; }
  double min() const { return min_; }  ///< exact; 0 while empty
  double max() const { return max_; }

  /// The range that holds `percentile` percent of all values, with equal shares cut off at both ends; 100
  /// gives min and max.  At most one bin (1/2048 of the largest magnitude) wide of the truth.
  Range percentile_range(double percentile) const;

  /// The range for which uint8 quantization (rounding inside, clipping outside) has the least mean square
  /// error: both ends of [min, max] are drawn in by turns, in steps of 2 %, while the error falls.
  Range least_error_range() const;

  /// The range within +-t, for the threshold t at which the distribution of magnitudes and the one that is
  /// left of it after quantization have the least Kullback-Leibler divergence: S. Migacz, "8-bit Inference
  /// with TensorRT", GTC 2017, as ONNX Runtime's get_entropy_threshold() and pytorch-quantization's
  /// calib/histogram.py have it.  Magnitudes have 128 levels, or 256 where all values have one sign.  The bin
  /// of zeros, which quantization leaves exact (a ReLU's are half of all values), counts as its neighbour.
  Range entropy_range() const;

 private:
  static constexpr std::int64_t kBins = 8192;
  double width() const { return 2 * limit_ / kBins; }
  double centre(std::int64_t bin) const { return (static_cast<double>(bin) + 0.5) * width() - limit_; }
  double squared_error(const Range& range) const;
  /// Counts of |x|, bin i from i * width() up.
  std::vector<double> magnitudes() const;

  std::vector<std::int64_t> bins_;
  double limit_ = 0;  ///< bins cover [-limit, limit]
  double min_ = 0, max_ = 0;
  std::int64_t count_ = 0;
};

}  // namespace edgeclip::builder
