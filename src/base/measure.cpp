#include "base/measure.h"

namespace edgeclip {

Json latency_json(const QuantileSketch& ms) {
  return {{"p10", ms.quantile(0.10)},
          {"median", ms.quantile(0.50)},
          {"p90", ms.quantile(0.90)},
          {"p99", ms.quantile(0.99)}};
}

Json usage_json(const ResourceUsage& usage) {
  const auto json = [](const Usage& u) { return Json{{"avg", u.avg}, {"peak", u.peak}}; };
  const auto told = [&](const std::optional<Usage>& u) { return u ? json(*u) : Json(nullptr); };
  return {{"cpu_percent", json(usage.cpu_percent)},
          {"memory_percent", json(usage.memory_percent)},
          {"rss_mb", json(usage.rss_mb)},
          {"anonymous_mb", json(usage.anonymous_mb)},
          {"mapped_mb", json(usage.mapped_mb)},
          {"gpu_percent", told(usage.gpu_percent)},
          {"power_w", told(usage.power_w)}};
}

}  // namespace edgeclip
