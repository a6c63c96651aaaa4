#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace edgeclip {

/// How busy the machine's graphics processors are, whoever keeps them so: of Jetson modules (`load`, per mille) and of the amdgpu driver
/// (`gpu_busy_percent`).  Other drivers have no such file in /sys.  Not thread-safe.
class GpuLoad {
 public:
  /// sys: where sysfs is mounted.
  explicit GpuLoad(const std::filesystem::path& sys = "/sys");

  /// 0 to 100, of several the mean; nothing where no driver tells, or does not any more.
  std::optional<double> percent();

 private:
  struct Gpu {
    std::filesystem::path file;
    double unit;  ///< percent
  };
  std::vector<Gpu> gpus_;
  bool readable_ = false;
};

}  // namespace edgeclip
