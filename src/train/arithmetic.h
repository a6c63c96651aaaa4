#pragma once

#include <string>

#include "base/json.h"

namespace edgeclip {

/// What the bits of a training depend on beside its options: `threads` (sums are divided among them), `cpu` (the
/// instruction set LibTorch computes with), `blas` (OpenBLAS's kernels, "" of another library), `libtorch`.  Call it
/// behind prepare_torch().
Json arithmetic_here();

/// "threads 4 instead of 2, cpu ...": what `now` has otherwise than `before`; empty if nothing, or if a run of an earlier
/// version did not say.
std::string arithmetic_differences(const Json& before, const Json& now);

}  // namespace edgeclip
