#include "retrieval/evaluate/bootstrap.h"

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "base/threads.h"

namespace edgeclip {

Interval percentile_interval(std::vector<double> values, double level) {
  EDGECLIP_CHECK(!values.empty() && level > 0 && level < 1, "{} values, level {}", values.size(), level);
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double q) {
    const double place = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (values[above] - values[below]) * (place - static_cast<double>(below));
  };
  return {quantile((1 - level) / 2), quantile((1 + level) / 2)};
}

std::optional<MeasureIntervals> bootstrap_intervals(const ClusterSums& sums,
                                                    const BootstrapOptions& options) {
  const std::size_t persons = sums.clusters();
  if (options.resamples < 1 || persons < 2) return std::nullopt;
  std::vector<Measures> means(static_cast<std::size_t>(options.resamples));
  parallel_for(options.resamples, [&](std::int64_t r) {
    Rng rng = Rng::stream(options.seed, static_cast<std::uint64_t>(r));
    Measures total{};
    double queries = 0;
    for (std::size_t k = 0; k < persons; ++k) {
      const auto c = static_cast<std::size_t>(rng.below(static_cast<std::int64_t>(persons)));
      queries += sums.counts[c];
      for (std::size_t m = 0; m < kMeasures; ++m) total[m] += sums.sums[c][m];
    }
    for (double& value : total) value = 100 * value / queries;
    means[static_cast<std::size_t>(r)] = total;
  });
  MeasureIntervals intervals;
  std::vector<double> values(means.size());
  for (std::size_t m = 0; m < kMeasures; ++m) {
    for (std::size_t r = 0; r < means.size(); ++r) values[r] = means[r][m];
    intervals[m] = percentile_interval(values, options.level);
  }
  return intervals;
}

Json to_json(const std::optional<MeasureIntervals>& intervals) {
  Json json = Json::object();
  for (std::size_t m = 0; m < kMeasures; ++m)
    json[kMeasureNames[m]] = intervals ? Json({(*intervals)[m].low, (*intervals)[m].high}) : Json(nullptr);
  return json;
}

}  // namespace edgeclip
