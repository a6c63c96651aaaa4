#include "base/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>

namespace edgeclip {

namespace {

constexpr double kMiB = 1024.0 * 1024.0;

std::int64_t proc_field_kib(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string word; in >> word;)
    if (word == key) {
      std::int64_t kib = 0;
      in >> kib;
      return kib * 1024;
    }
  return 0;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::int64_t rss_bytes() {
  std::ifstream in("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::int64_t peak_rss_bytes() { return proc_field_kib("/proc/self/status", "VmHWM:"); }
std::int64_t system_memory_bytes() { return proc_field_kib("/proc/meminfo", "MemTotal:"); }

double process_cpu_seconds() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

ResourceSampler::ResourceSampler(int interval_ms) : interval_ms_(interval_ms) {
  cpu_start_ = cpu_last_ = process_cpu_seconds();
  wall_start_ = wall_last_ = wall_seconds();
  thread_ = std::thread([this] {
    while (!stopping_) {
      sample();
      for (int waited = 0; waited < interval_ms_ && !stopping_; waited += 10)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
}

ResourceSampler::~ResourceSampler() {
  if (thread_.joinable()) stop();
}

void ResourceSampler::sample() {
  const double cpu = process_cpu_seconds(), wall = wall_seconds(), rss = static_cast<double>(rss_bytes());
  // Below 20 ms the clock ticks of the kernel make the quotient meaningless.
  if (wall - wall_last_ >= 0.02) {
    cpu_peak_ = std::max(cpu_peak_, 100 * (cpu - cpu_last_) / (wall - wall_last_));
    cpu_last_ = cpu;
    wall_last_ = wall;
  }
  rss_sum_ += rss;
  rss_peak_ = std::max(rss_peak_, rss);
  ++samples_;
}

ResourceUsage ResourceSampler::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  sample();
  const double wall = std::max(1e-9, wall_seconds() - wall_start_),
               total = static_cast<double>(std::max<std::int64_t>(1, system_memory_bytes()));
  const double rss_avg = rss_sum_ / static_cast<double>(std::max<std::int64_t>(1, samples_));
  ResourceUsage usage;
  usage.cpu_percent.avg = 100 * (process_cpu_seconds() - cpu_start_) / wall;
  usage.cpu_percent.peak = std::max(cpu_peak_, usage.cpu_percent.avg);
  usage.rss_mb = {rss_avg / kMiB, rss_peak_ / kMiB};
  usage.memory_percent = {100 * rss_avg / total, 100 * rss_peak_ / total};
  return usage;
}

}  // namespace edgeclip
