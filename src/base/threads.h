#pragma once

#include <cstdint>
#include <functional>

namespace edgeclip {

/// The CPUs this process may use: its affinity mask, cut by a cgroup quota where there is one; at least 1.
int available_cpus();

/// Threads of every parallel part: n, or available_cpus() for n = 0.  Sets OpenMP's default, which LibTorch's
/// oneDNN and libopenblas0-openmp follow; LibTorch is told separately, by the workshop's start-up code.  Call
/// before any work.
void set_thread_count(int n);
int thread_count();

/// Throws std::system_error unless n threads can be started now, beside those that run.  Before the call of a
/// library that would wait for ever for a thread that did not start.
void require_threads(int n);

/// body(i) for i in [0, n), spread over thread_count() std::threads, in order of i per thread; returns when
/// all are done.  The first exception is rethrown after the others stopped.  Stops early (Interrupted) on a
/// signal.  Throws std::system_error if the system gives no more threads.
void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body, int threads = 0);

}  // namespace edgeclip
