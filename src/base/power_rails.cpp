#include "base/power_rails.h"

#include <algorithm>

#include "base/sysfs.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr int kChannels = 3;

/// A channel that the board leaves open says so in its label.
bool is_connected(const std::string& label) { return !label.empty() && label != "NC"; }

/// What feeds the module and all of its other rails.
bool feeds_all(const std::string& label) { return label == "VDD_IN" || label == "POM_5V_IN" || label == "5V_IN"; }

}  // namespace

PowerRails::PowerRails(const fs::path& sys) {
  find_hwmon(sys);
  if (rails_.empty()) find_iio(sys);
  const auto whole = std::find_if(rails_.begin(), rails_.end(), [](const Rail& rail) { return feeds_all(rail.name); });
  if (whole != rails_.end()) rails_ = {Rail(*whole)};
  readable_ = !rails_.empty();
}

void PowerRails::find_hwmon(const fs::path& sys) {
  for (const fs::path& monitor : sysfs_entries(sys / "class/hwmon")) {
    if (sysfs_text(monitor / "name") != "ina3221") continue;
    for (int channel = 1; channel <= kChannels; ++channel) {  // the seventh voltage is a sum of others
      const std::string number = std::to_string(channel);
      const std::string label = sysfs_text(monitor / ("in" + number + "_label")).value_or("");
      const bool measured = sysfs_number(monitor / ("in" + number + "_enable")).value_or(1) != 0;
      if (is_connected(label) && measured)
        rails_.push_back({label, monitor / ("in" + number + "_input"), monitor / ("curr" + number + "_input"), {}});
    }
  }
}

void PowerRails::find_iio(const fs::path& sys) {
  for (const fs::path& chip : sysfs_entries(sys / "bus/i2c/drivers/ina3221x"))
    for (const fs::path& device : sysfs_entries(chip)) {
      if (device.filename().string().rfind("iio:device", 0) != 0) continue;
      for (int channel = 0; channel < kChannels; ++channel) {
        const std::string number = std::to_string(channel);
        const std::string label = sysfs_text(device / ("rail_name_" + number)).value_or("");
        if (is_connected(label)) rails_.push_back({label, {}, {}, device / ("in_power" + number + "_input")});
      }
    }
}

std::optional<double> PowerRails::watts_of(const Rail& rail) {
  if (!rail.milliwatts.empty()) {
    const auto power = sysfs_number(rail.milliwatts);
    return power ? std::optional(1e-3 * static_cast<double>(*power)) : std::nullopt;
  }
  const auto volts = sysfs_number(rail.millivolts), amperes = sysfs_number(rail.milliamperes);
  if (!volts || !amperes) return {};
  return 1e-6 * static_cast<double>(*volts) * static_cast<double>(*amperes);
}

std::optional<double> PowerRails::watts() {
  double sum = 0;
  for (const Rail& rail : rails_) {
    const auto power = watts_of(rail);
    readable_ = readable_ && power;
    if (!readable_) return {};
    sum += *power;
  }
  return readable_ ? std::optional(sum) : std::nullopt;
}

std::vector<std::string> PowerRails::names() const {
  std::vector<std::string> names;
  for (const Rail& rail : rails_) names.push_back(rail.name);
  return names;
}

}  // namespace edgeclip
