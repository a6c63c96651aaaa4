#include "base/process_metrics.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>

#include "base/cgroup.h"

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

ResidentMemory resident_memory() {
  std::ifstream in("/proc/self/statm");
  std::int64_t size = 0, resident = 0, shared = 0;
  in >> size >> resident >> shared;
  const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  return {(resident - shared) * page, shared * page};
}

std::int64_t peak_rss_bytes() { return proc_field_kib("/proc/self/status", "VmHWM:"); }

std::int64_t usable_memory_bytes() {
  const std::int64_t total = proc_field_kib("/proc/meminfo", "MemTotal:");
  return std::min(total, cgroup_memory_limit().value_or(total));
}

double process_cpu_seconds() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void release_freed_memory() { ::malloc_trim(0); }

namespace {

/// One measure of several parts: averages by the parts' seconds, the highest peak.
template <class Get>
Usage combine(const std::vector<ResourceUsage>& parts, const Get& get) {
  double seconds = 0;
  for (const ResourceUsage& part : parts) seconds += part.seconds;
  Usage whole;
  for (const ResourceUsage& part : parts) {
    const Usage usage = get(part);
    const double share = seconds > 0 ? part.seconds / seconds : 1 / static_cast<double>(parts.size());
    whole.avg += share * usage.avg;
    whole.peak = std::max(whole.peak, usage.peak);
  }
  return whole;
}

std::optional<Usage> combine_told(const std::vector<ResourceUsage>& parts, std::optional<Usage> ResourceUsage::*measure) {
  if (parts.empty()) return {};
  for (const ResourceUsage& part : parts)
    if (!(part.*measure)) return {};
  return combine(parts, [&](const ResourceUsage& part) { return *(part.*measure); });
}

void add_sample(Usage& usage, double value) {
  usage.avg += value;
  usage.peak = std::max(usage.peak, value);
}

}  // namespace

ResourceUsage combined(const std::vector<ResourceUsage>& parts) {
  ResourceUsage whole;
  for (const auto measure : {&ResourceUsage::cpu_percent, &ResourceUsage::rss_mb, &ResourceUsage::anonymous_mb,
                             &ResourceUsage::mapped_mb, &ResourceUsage::memory_percent})
    whole.*measure = combine(parts, [&](const ResourceUsage& part) { return part.*measure; });
  for (const auto measure : {&ResourceUsage::power_w, &ResourceUsage::gpu_percent}) whole.*measure = combine_told(parts, measure);
  for (const ResourceUsage& part : parts) whole.seconds += part.seconds;
  return whole;
}

ResourceSampler::ResourceSampler(int interval_ms, const std::filesystem::path& sys)
    : interval_ms_(interval_ms), energy_(sys / "class/powercap"), rails_(sys), gpu_(sys) {
  cpu_start_ = cpu_last_ = process_cpu_seconds();
  wall_start_ = wall_last_ = wall_seconds();
  thread_ = std::thread([this] {
    while (!stopping_) {
      try {
        sample();
      } catch (const std::exception&) {  // no memory now: a sample less
      }
      for (int waited = 0; waited < interval_ms_ && !stopping_; waited += 10)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
}

ResourceSampler::~ResourceSampler() {
  if (thread_.joinable()) stop();
}

void ResourceSampler::sample() {
  const double cpu = process_cpu_seconds(), wall = wall_seconds();
  // Below 20 ms the clock ticks of the kernel make the quotient meaningless.
  if (wall - wall_last_ >= 0.02) {
    cpu_peak_ = std::max(cpu_peak_, 100 * (cpu - cpu_last_) / (wall - wall_last_));
    if (const auto joules = energy_.joules()) {
      watts_peak_ = std::max(watts_peak_, (*joules - joules_last_) / (wall - wall_last_));
      joules_last_ = *joules;
    }
    cpu_last_ = cpu;
    wall_last_ = wall;
  }
  const ResidentMemory memory = resident_memory();
  add_sample(rss_, static_cast<double>(memory.total()));
  add_sample(anonymous_, static_cast<double>(memory.anonymous));
  add_sample(mapped_, static_cast<double>(memory.mapped));
  sample_gauges();
  ++samples_;
}

/// What is no counter but a value of the moment.
void ResourceSampler::sample_gauges() {
  const auto watts = rails_told_ ? rails_.watts() : std::nullopt;
  const auto load = gpu_told_ ? gpu_.percent() : std::nullopt;
  rails_told_ = watts.has_value();
  gpu_told_ = load.has_value();
  if (watts) add_sample(rail_watts_, *watts);
  if (load) add_sample(gpu_load_, *load);
}

ResourceUsage ResourceSampler::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  sample();
  const double wall = std::max(1e-9, wall_seconds() - wall_start_),
               limit = static_cast<double>(std::max<std::int64_t>(1, usable_memory_bytes()));
  const auto samples = static_cast<double>(std::max<std::int64_t>(1, samples_));
  const auto per = [&](const Usage& sums, double unit) {
    return Usage{sums.avg / samples / unit, sums.peak / unit};
  };
  ResourceUsage usage;
  usage.cpu_percent.avg = 100 * (process_cpu_seconds() - cpu_start_) / wall;
  usage.cpu_percent.peak = std::max(cpu_peak_, usage.cpu_percent.avg);
  if (const auto joules = energy_.joules()) {
    const double average = *joules / wall;
    usage.power_w = Usage{average, std::max(watts_peak_, average)};
  } else if (rails_told_) {
    usage.power_w = per(rail_watts_, 1);
  }
  if (gpu_told_) usage.gpu_percent = per(gpu_load_, 1);
  usage.seconds = wall;
  usage.rss_mb = per(rss_, kMiB);
  usage.anonymous_mb = per(anonymous_, kMiB);
  usage.mapped_mb = per(mapped_, kMiB);
  usage.memory_percent = per(rss_, limit / 100);
  return usage;
}

}  // namespace edgeclip
