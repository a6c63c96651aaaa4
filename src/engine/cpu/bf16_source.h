#pragma once

#include <cstdint>

#include "engine/backend.h"

namespace edgeclip::engine {

/// Whether products of bfloat16 are computed as such on this CPU (follows ONEDNN_MAX_CPU_ISA).  Elsewhere
/// 16-bit weights are widened when they are packed, and computed in float32.
bool bf16_products();

/// A float32 operand rounded to bfloat16 (to nearest, halves to even) in a kernel's scratch.
class Bf16Source {
 public:
  /// behind: bytes at the scratch's start that belong to the primitive itself.
  Bf16Source(const BindRequest& request, std::size_t behind, std::int64_t elements);
  /// Valid until another kernel runs.
  const std::byte* convert(const float* x) const;

 private:
  Scratch& scratch_;
  kernels::Executor& executor_;
  const std::size_t offset_;
  const std::int64_t elements_;
};

}  // namespace edgeclip::engine
