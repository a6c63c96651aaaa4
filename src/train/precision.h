#pragma once

#include <string>

namespace edgeclip {

/// True if this CPU multiplies bf16 matrices in hardware (AVX512_BF16 or AMX); elsewhere bf16 is emulated and
/// slow.
bool cpu_has_bf16();

/// Whether to run forward passes under bf16 autocast.  precision: "fp32" | "bf16" | "auto" (on a CPU that has it; LibTorch
/// does not tell what a GPU has, which stays with fp32).  "bf16" on a CPU without it is obeyed, with a warning.
bool use_bf16(const std::string& precision, bool on_cpu = true);

/// What "auto" comes to, and why, in one line.
std::string describe_auto_precision(bool on_cpu);

/// For its lifetime matrix products of this thread run in bf16, if enabled; parameters stay float32.  The
/// backward pass belongs outside.  Not nested with another one.
class Autocast {
 public:
  explicit Autocast(bool bf16);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  const bool enabled_;
};

}  // namespace edgeclip
