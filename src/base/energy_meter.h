#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace edgeclip {

/// The energy that the machine's processors use, by the counters of Linux's powercap (RAPL of Intel and AMD;
/// the kernel's Documentation/power/powercap): all of the machine, not this process alone.  Not thread-safe.
class EnergyMeter {
 public:
  /// powercap: the folder of the zones.  Since 2020 kernels let root alone read the counters.
  explicit EnergyMeter(const std::filesystem::path& powercap = "/sys/class/powercap");

  /// Joules since it was made, of all packages; nothing where the machine does not tell of each, or does not any
  /// more. To be called more often than the counters run over (minutes under the highest load).
  std::optional<double> joules();

 private:
  struct Zone {
    std::filesystem::path counter;     ///< energy_uj
    std::int64_t last = 0, range = 0;  ///< microjoules; range: where the counter starts again
  };

  std::vector<Zone> zones_;
  double joules_ = 0;
  bool readable_ = false;
};

}  // namespace edgeclip
