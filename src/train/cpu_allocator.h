#pragma once

#include <cstdint>

namespace edgeclip {

/// Makes LibTorch keep the memory of large CPU tensors (1 MiB and more) when they are freed, and hand it out
/// again, in huge pages where the system has them.  Without this every activation of every step comes from
/// fresh pages that the kernel clears first: 15 % of a training step.  A kept block serves requests down to
/// three quarters of its size.  Used and idle blocks together stay within some memory (allow_idle_tensor_memory())
/// of the most that was in use at once; beyond that the blocks idle longest go back to the system.  Call before
/// the first tensor; again is harmless.
void keep_tensor_memory();

/// bytes: 256 MiB unless this says something else.
void allow_idle_tensor_memory(std::int64_t bytes);

/// Gives all idle blocks back, and forgets how much was in use at once.
void release_tensor_memory();

/// Bytes of large tensors: in use, and kept idle.
struct TensorMemory {
  std::int64_t used = 0, idle = 0;
};
TensorMemory tensor_memory();

}  // namespace edgeclip
