#include "base/measure.h"

#include <algorithm>
#include <cmath>

namespace edgeclip {

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - std::floor(at)) * (values[above] - values[below]);
}

Json latency_json(const std::vector<double>& ms) {
  return {{"p10", percentile(ms, 0.10)},
          {"median", percentile(ms, 0.50)},
          {"p90", percentile(ms, 0.90)},
          {"p99", percentile(ms, 0.99)}};
}

}  // namespace edgeclip
