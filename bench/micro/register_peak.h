#pragma once

#include <cstdint>

#include "kernels/cpu_features.h"

namespace edgeclip::bench {

/// Multiply-accumulates per second of one core that only multiplies registers: what a product can at most reach.
/// Measured now, for about 20 ms, as the best of several rounds.  0 where the level has no such instruction.
struct RegisterPeaks {
  double f32 = 0, bf16 = 0, s8 = 0;
};
RegisterPeaks register_peaks(kernels::CpuLevel level);

}  // namespace edgeclip::bench
