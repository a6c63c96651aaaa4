#pragma once

#include <cstdint>
#include <vector>

namespace edgeclip::engine {

/// A buffer that must keep its bytes from step `first` to step `last`, both included.
struct BufferLife {
  std::int64_t bytes = 0;
  int first = 0, last = 0;
};

struct MemoryPlan {
  std::vector<std::int64_t> offsets;  ///< one per buffer, multiples of kArenaAlignment
  std::int64_t total = 0;             ///< bytes of the arena, a multiple of kArenaAlignment
};

inline constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;
inline constexpr std::int64_t kArenaAlignment = 64;  ///< a cache line, and the widest SIMD register

/// Places buffers in one arena so that two that live at the same step never overlap.  Greedy by size: the
/// largest buffer first, each into the smallest gap between the already placed neighbours in time that holds
/// it (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).  Buffers of 0
/// bytes get offset 0.  Deterministic.
MemoryPlan plan_memory(const std::vector<BufferLife>& buffers);

}  // namespace edgeclip::engine
