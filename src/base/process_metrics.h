#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

#include "base/energy_meter.h"
#include "base/gpu_load.h"
#include "base/power_rails.h"

namespace edgeclip {

/// Resident memory of this process; 0 if not readable.
struct ResidentMemory {
  std::int64_t anonymous = 0;  ///< bytes of its own: heap, stacks, activations, packed weights
  std::int64_t mapped = 0;  ///< bytes of files (programs, weights, galleries) and shared memory: the system
                            ///< can take them back, and processes share them
  std::int64_t total() const { return anonymous + mapped; }
};
ResidentMemory resident_memory();  ///< /proc/self/statm

std::int64_t peak_rss_bytes();       ///< its highest value so far (VmHWM)
std::int64_t usable_memory_bytes();  ///< MemTotal, cut by a container's limit (base/cgroup.h)
double process_cpu_seconds();        ///< user + system time of all threads
/// Gives back to the system what was freed but kept for later, so that what is resident is what is in use.
void release_freed_memory();

struct Usage {
  double avg = 0, peak = 0;
};

/// What a process used between construction and stop(), sampled from /proc by a thread of its own.
struct ResourceUsage {
  Usage cpu_percent;     ///< of one CPU: 200 = two CPUs busy
  Usage rss_mb;          ///< MiB, all that is resident
  Usage anonymous_mb;    ///< MiB, of it the process's own
  Usage mapped_mb;       ///< MiB, of it files
  Usage memory_percent;  ///< RSS of the memory that this process may use
  /// Of all processors of the machine (base/energy_meter.h), or of the board (base/power_rails.h); nothing: it does not tell.
  std::optional<Usage> power_w;
  std::optional<Usage> gpu_percent;  ///< of the machine's (base/gpu_load.h); nothing: it does not tell
  double seconds = 0;                ///< from construction to stop()
};

/// Of parts of one piece of work, measured one after the other: averages by time, the highest peaks.  What one part does not
/// tell, the whole does not tell.
ResourceUsage combined(const std::vector<ResourceUsage>& parts);

class ResourceSampler {
 public:
  /// sys: where sysfs is mounted.
  explicit ResourceSampler(int interval_ms = 100, const std::filesystem::path& sys = "/sys");
  ~ResourceSampler();
  ResourceSampler(const ResourceSampler&) = delete;
  ResourceSampler& operator=(const ResourceSampler&) = delete;
  /// Ends sampling; the average CPU is that of the whole interval, not of the samples.
  ResourceUsage stop();

 private:
  void sample();
  void sample_gauges();

  const int interval_ms_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  double cpu_start_ = 0, cpu_peak_ = 0;
  double wall_start_ = 0, cpu_last_ = 0, wall_last_ = 0;
  EnergyMeter energy_;
  double joules_last_ = 0, watts_peak_ = 0;
  PowerRails rails_;
  GpuLoad gpu_;
  bool rails_told_ = true, gpu_told_ = true;
  Usage rss_, anonymous_, mapped_;  ///< bytes: sums in avg until stop()
  Usage rail_watts_, gpu_load_;     ///< the same
  std::int64_t samples_ = 0;
};

}  // namespace edgeclip
