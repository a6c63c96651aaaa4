#pragma once

#include <cstdint>
#include <string>

namespace edgeclip::engine {

/// The two roofs of the roofline model (Williams, Waterman, Patterson: Roofline: an insightful visual
/// performance model for multicore architectures, CACM 52(4), 2009), as measured on this machine.
struct MachinePeaks {
  double gmacs = 0;               ///< 10^9 multiply-accumulates a second, float32
  double gb_s = 0;                ///< 10^9 bytes a second, read from memory
  std::int64_t buffer_bytes = 0;  ///< that were read: more than the caches hold, where they are of usual size

  /// Least seconds that so many multiply-accumulates and bytes take: the longer of the two.
  double attainable_seconds(std::int64_t macs, std::int64_t bytes) const;
};

/// Measures for some 100 ms each: a matrix product of 1024 x 1024 x 1024 by this engine's own kernels, and a
/// sum over four times the last cache (32 to 256 MiB), both by `threads` threads (0: thread_count()
/// of base/threads.h); the best of the repetitions.  Throws std::bad_alloc.
MachinePeaks measure_peaks(int threads);

/// 10^9 multiply-accumulates a second of such a product in "fp32", "bf16" (weights) or "int8": higher roofs
/// where the CPU has instructions for them.  CHECKs the name.
double measure_gmacs(const std::string& precision, int threads);

}  // namespace edgeclip::engine
