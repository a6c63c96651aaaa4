#include "base/gpu_load.h"

#include <string>

#include "base/sysfs.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// "17000000.ga10b", "57000000.gpu": those of Jetson modules.
bool is_tegra_gpu(const std::string& device) {
  for (const char* name : {".gpu", ".gk20a", ".gm20b", ".gp10b", ".gv11b", ".ga10b"})
    if (device.ends_with(name)) return true;
  return false;
}

}  // namespace

GpuLoad::GpuLoad(const fs::path& sys) {
  const auto add = [this](const fs::path& file, double unit) {
    if (sysfs_number(file)) gpus_.push_back({file, unit});
  };
  for (const fs::path& device : sysfs_entries(sys / "class/devfreq"))
    if (is_tegra_gpu(device.filename().string())) add(device / "device/load", 0.1);
  for (const fs::path& card : sysfs_entries(sys / "class/drm"))
    if (card.filename().string().find('-') == std::string::npos) add(card / "device/gpu_busy_percent", 1);  // else an outlet of a card
  readable_ = !gpus_.empty();
}

std::optional<double> GpuLoad::percent() {
  double sum = 0;
  for (const Gpu& gpu : gpus_) {
    const auto load = sysfs_number(gpu.file);
    readable_ = readable_ && load;
    if (!readable_) return {};
    sum += gpu.unit * static_cast<double>(*load);
  }
  if (!readable_) return {};
  return sum / static_cast<double>(gpus_.size());
}

}  // namespace edgeclip
