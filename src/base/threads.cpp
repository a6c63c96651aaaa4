#include "base/threads.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cgroup.h"
#include "base/signals.h"

namespace edgeclip {

namespace {
int g_threads = 0;
}

int available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int n = ::sched_getaffinity(0, sizeof set, &set) == 0
              ? CPU_COUNT(&set)
              : static_cast<int>(std::thread::hardware_concurrency());
  if (const auto cpus = cgroup_cpu_limit()) n = std::min(n, static_cast<int>(*cpus + 0.999));
  return std::max(1, n);
}

void set_thread_count(int n) {
  g_threads = n > 0 ? n : available_cpus();
  omp_set_num_threads(g_threads);
}

int thread_count() { return g_threads > 0 ? g_threads : available_cpus(); }

void require_threads(int n) {
  std::latch all_started(1);
  std::vector<std::jthread> threads;  // join, also when another one cannot be started
  threads.reserve(static_cast<std::size_t>(n));
  try {
    for (int i = 0; i < n; ++i) threads.emplace_back([&] { all_started.wait(); });
  } catch (...) {
    all_started.count_down();
    throw;
  }
  all_started.count_down();
}

void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body, int threads) {
  const int count = static_cast<int>(std::min<std::int64_t>(threads > 0 ? threads : thread_count(), n));
  if (count <= 1) {
    for (std::int64_t i = 0; i < n; ++i) {
      throw_if_interrupted();
      body(i);
    }
    return;
  }
  std::atomic<std::int64_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (std::int64_t i; (i = next++) < n;) {
        throw_if_interrupted();
        body(i);
      }
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = n;
    }
  };
  {
    std::vector<std::jthread> pool;  // joins, also when another thread cannot be started
    try {
      for (int t = 0; t < count; ++t) pool.emplace_back(work);
    } catch (...) {
      next = n;
      throw;
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace edgeclip
