#include "train/device.h"

#include <torch/version.h>

#include "base/error.h"
#include "base/log.h"

namespace edgeclip {

torch::Device training_device(const std::string& asked) {
  if (asked == "cpu") return torch::kCPU;
  EDGECLIP_CHECK(asked == "auto" || asked == "cuda", "device {}", asked);
  if (torch::cuda::is_available()) return {torch::kCUDA, 0};
  const char* const why =
      at::hasCUDA() ? "no GPU that CUDA can use was found" : "this LibTorch (" TORCH_VERSION ") has no CUDA";
  if (asked == "cuda") invalid_input("--device cuda: {}; use --device cpu, or auto", why);
  spdlog::info("computing on the CPU: {}", why);
  return torch::kCPU;
}

}  // namespace edgeclip
