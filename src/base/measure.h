#pragma once

#include <chrono>

#include "base/json.h"
#include "base/process_metrics.h"
#include "base/quantile_sketch.h"

/// What every command that reports time measures and reports it by: the clock, percentiles
/// (quantile_sketch.h), and what the process used meanwhile (process_metrics.h).
namespace edgeclip {

/// Runs from where it is made.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  double ms() const { return 1e3 * seconds(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// {"p10","median","p90","p99"} of times in milliseconds.
Json latency_json(const QuantileSketch& ms);

/// {"cpu_percent","memory_percent","rss_mb","anonymous_mb","mapped_mb","gpu_percent","power_w"}, each {"avg",
/// "peak"} or null: not measurable here.
Json usage_json(const ResourceUsage& usage);

}  // namespace edgeclip
