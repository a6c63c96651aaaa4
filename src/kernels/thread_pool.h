#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/executor.h"

namespace edgeclip::kernels {

/// Threads that wait for parallel regions.  Tasks are taken one by one by whoever is free, so a thread that the
/// system took off its CPU delays the one task it is in.  Who finds nothing to do spins for some tens of
/// microseconds (a model's regions follow each other faster), then sleeps: an idle pool takes no CPU, and where
/// a neighbour is busy its CPU is free for the thread that is behind.
///
/// One region runs at a time; a caller that finds the pool taken runs its region alone.  Thread-safe.
class ThreadPool final : public Executor {
 public:
  /// threads - 1 threads are started.  Throws std::system_error if the system gives no more.
  explicit ThreadPool(int threads);
  ~ThreadPool() override;

  int threads() const override { return static_cast<int>(workers_.size()) + 1; }
  void run(std::int64_t count, TaskRef body) override;
  void enter() override { callers_.fetch_add(1, std::memory_order_relaxed); }
  void leave() override { callers_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  void work();
  void take_tasks();
  void wait_for_region(std::uint32_t& seen);
  void wait_for_helpers();

  // The region.  Written by the caller that holds mutex_, before it opens the region.
  const TaskRef* body_ = nullptr;
  std::int64_t count_ = 0;
  int helpers_ = 0;  ///< how many may join
  std::exception_ptr failed_;
  std::mutex failed_mutex_;

  std::mutex mutex_;  ///< of who owns the region
  alignas(64) std::atomic<std::uint32_t> generation_{0};  ///< odd: a region is open
  alignas(64) std::atomic<std::int64_t> next_{0};         ///< task
  alignas(64) std::atomic<std::uint32_t> joined_{0};      ///< helpers in the region
  alignas(64) std::atomic<int> sleeping_{0};
  std::atomic<int> callers_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::jthread> workers_;
};

/// The pool of so many threads that sessions of this process share; the last who holds it ends it.
/// Throws std::system_error.
std::shared_ptr<Executor> shared_pool(int threads);

}  // namespace edgeclip::kernels
