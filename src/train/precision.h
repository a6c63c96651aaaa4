#pragma once

#include <string>

namespace edgeclip {

/// True if this CPU multiplies bf16 matrices in hardware (AVX512_BF16 or AMX); elsewhere bf16 is emulated and
/// slow.
bool cpu_has_bf16();

/// Whether forward passes multiply in bf16.  precision: "fp32" | "bf16" | "auto" (on a CPU that has it; LibTorch
/// does not tell what a GPU has, which stays with fp32).  "bf16" on a CPU without it is obeyed, with a warning.
bool use_bf16(const std::string& precision, bool on_cpu = true);

/// What "auto" comes to, and why, in one line.
std::string describe_auto_precision(bool on_cpu);

}  // namespace edgeclip
