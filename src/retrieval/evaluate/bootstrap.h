#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/json.h"
#include "retrieval/evaluate/cluster_sums.h"

namespace edgeclip {

struct BootstrapOptions {
  std::int64_t resamples = 1000;
  std::uint64_t seed = 0;
  double level = 0.95;
};

struct Interval {
  double low = 0, high = 0;  ///< percent
};
using MeasureIntervals = std::array<Interval, kMeasures>;

/// Intervals of the means by a clustered bootstrap: a resample draws as many persons as there are, with
/// replacement, and takes all queries of each as often as it was drawn; the mean over its queries is one
/// value, and the interval lies between the (1 - level) / 2 and (1 + level) / 2 quantiles of the values
/// (percentile interval; Efron and Tibshirani: An Introduction to the Bootstrap, 1993, ch. 13; persons as
/// units: Davison and Hinkley: Bootstrap Methods and their Application, 1997, sec. 3.8).  What is searched
/// stays as it is.  The draws of resample r are a pure function of (seed, r), so results do not depend on
/// threads, and models evaluated on the same persons see the same draws.  None without resamples, or of fewer
/// than two persons, which say nothing of others.
std::optional<MeasureIntervals> bootstrap_intervals(const ClusterSums& sums, const BootstrapOptions& options);

/// The quantiles of values that are a percentile interval, between order statistics linearly (NumPy's
/// default).  values: not empty (CHECK).
Interval percentile_interval(std::vector<double> values, double level);

/// {"R@1": [low, high], ...}; each null where there are none.
Json to_json(const std::optional<MeasureIntervals>& intervals);

}  // namespace edgeclip
