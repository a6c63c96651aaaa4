#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace edgeclip {

/// The electrical power of a board by the monitors on its supply rails: INA3221 chips as Jetson modules have them, through
/// the kernel's hwmon interface (Documentation/hwmon/ina3221.rst) or, before JetPack 5, the IIO driver of NVIDIA's own
/// kernel.  Of all of the board, not of this process alone.  Not thread-safe.
class PowerRails {
 public:
  /// sys: where sysfs is mounted.
  explicit PowerRails(const std::filesystem::path& sys = "/sys");

  /// Watts right now: of the rail that feeds the whole module where there is one, since the others are then part of it; else the
  /// sum of all that are connected.  Nothing where no rail is measured, or one of them cannot be read any more.
  std::optional<double> watts();

  /// Of the rails that watts() adds up.
  std::vector<std::string> names() const;

 private:
  struct Rail {
    std::string name;
    std::filesystem::path millivolts, milliamperes;  ///< of hwmon: their product is the power
    std::filesystem::path milliwatts;                ///< of IIO
  };
  static std::optional<double> watts_of(const Rail& rail);
  void find_hwmon(const std::filesystem::path& sys);
  void find_iio(const std::filesystem::path& sys);

  std::vector<Rail> rails_;
  bool readable_ = false;
};

}  // namespace edgeclip
