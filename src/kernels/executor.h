#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace edgeclip::kernels {

/// A task of a parallel region, by reference: it must outlive the call that it is given to.
class TaskRef {
 public:
  template <class Body, class = std::enable_if_t<!std::is_same_v<std::remove_cvref_t<Body>, TaskRef>>>
  TaskRef(Body&& body)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(body)))),
        call_([](void* object, std::int64_t i) { (*static_cast<std::remove_reference_t<Body>*>(object))(i); }) {}
  void operator()(std::int64_t i) const { call_(object_, i); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t);
};

/// What kernels divide their work over: the runtime's own pool (thread_pool.h), LibTorch's OpenMP team in the
/// workshop, or the calling thread alone.  A kernel's result may not depend on which thread runs what.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Threads that work at most, the calling one included; at least 1.
  virtual int threads() const = 0;

  /// body(i) for each i in [0, count), in any order, on any of the threads; returns when all are done.  The
  /// first exception is rethrown, and what had not begun by then is left out.  Called from within a body, runs
  /// in that thread.  Thread-safe.
  virtual void run(std::int64_t count, TaskRef body) = 0;

  /// While a caller works (a model's run, of many parallel regions) it counts as one thread: helpers of others
  /// become fewer, so that callers and helpers together are no more than threads().
  virtual void enter() {}
  virtual void leave() {}
};

/// One caller at work, for as long as it lives.
class ExecutorUse {
 public:
  explicit ExecutorUse(Executor& executor) : executor_(executor) { executor_.enter(); }
  ~ExecutorUse() { executor_.leave(); }
  ExecutorUse(const ExecutorUse&) = delete;
  ExecutorUse& operator=(const ExecutorUse&) = delete;

 private:
  Executor& executor_;
};

/// The calling thread alone.
Executor& serial_executor();

/// How [0, n) is divided into chunks for `threads`: none shorter than `grain` (but for a rest), a few for each
/// thread, so that one that was held up leaves the others something to do.  A multiple of `unit` but for the
/// last.
inline std::int64_t chunk_length(std::int64_t n, std::int64_t grain, int threads, std::int64_t unit = 1) {
  constexpr std::int64_t kChunksPerThread = 4;
  if (threads <= 1) return std::max<std::int64_t>(n, 1);
  const std::int64_t even = (n + kChunksPerThread * threads - 1) / (kChunksPerThread * threads);
  const std::int64_t length = std::max({even, grain, std::int64_t{1}});
  return (length + unit - 1) / unit * unit;
}

/// body(begin, end) over chunks of [0, n); what fits into one chunk runs in the calling thread.
template <class Body>
void parallel_chunks(Executor& executor, std::int64_t n, std::int64_t grain, Body&& body, std::int64_t unit = 1) {
  if (n <= 0) return;
  const std::int64_t length = chunk_length(n, grain, executor.threads(), unit);
  if (length >= n) {
    body(std::int64_t{0}, n);
    return;
  }
  executor.run((n + length - 1) / length,
               [&](std::int64_t i) { body(i * length, std::min(n, (i + 1) * length)); });
}

}  // namespace edgeclip::kernels
