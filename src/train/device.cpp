#include "train/device.h"

#include <torch/version.h>

#include "base/error.h"

namespace edgeclip {

namespace {

const char* why_no_gpu() {
  return at::hasCUDA() ? "no GPU that CUDA can use was found" : "this LibTorch (" TORCH_VERSION ") has no CUDA";
}

}  // namespace

torch::Device training_device(const std::string& asked) {
  if (asked == "cpu") return torch::kCPU;
  EDGECLIP_CHECK(asked == "auto" || asked == "cuda", "device {}", asked);
  if (torch::cuda::is_available()) return {torch::kCUDA, 0};
  if (asked == "cuda") invalid_input("--device cuda: {}; use --device cpu, or auto", why_no_gpu());
  return torch::kCPU;
}

std::string describe_device(const std::string& asked, const torch::Device& device) {
  if (!device.is_cpu()) return "computing on " + device.str();
  return asked == "auto" ? fmt::format("computing on the CPU: {}", why_no_gpu()) : "computing on the CPU";
}

}  // namespace edgeclip
