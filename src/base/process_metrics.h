#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace edgeclip {

std::int64_t rss_bytes();       ///< resident memory of this process (/proc/self/statm); 0 if not readable
std::int64_t peak_rss_bytes();  ///< its highest value so far (VmHWM)
std::int64_t system_memory_bytes();  ///< MemTotal
double process_cpu_seconds();        ///< user + system time of all threads

struct Usage {
  double avg = 0, peak = 0;
};

/// What a process used between construction and stop(), sampled from /proc by a thread of its own.
struct ResourceUsage {
  Usage cpu_percent;     ///< of one CPU: 200 = two CPUs busy
  Usage rss_mb;          ///< MiB
  Usage memory_percent;  ///< RSS of system memory
};

class ResourceSampler {
 public:
  explicit ResourceSampler(int interval_ms = 100);
  ~ResourceSampler();
  ResourceSampler(const ResourceSampler&) = delete;
  ResourceSampler& operator=(const ResourceSampler&) = delete;
  /// Ends sampling; the average CPU is that of the whole interval, not of the samples.
  ResourceUsage stop();

 private:
  void sample();

  const int interval_ms_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  double cpu_start_ = 0, wall_start_ = 0, cpu_last_ = 0, wall_last_ = 0;
  double cpu_peak_ = 0, rss_sum_ = 0, rss_peak_ = 0;
  std::int64_t samples_ = 0;
};

}  // namespace edgeclip
