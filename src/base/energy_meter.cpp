#include "base/energy_meter.h"

#include <string>

#include "base/sysfs.h"

namespace edgeclip {

namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> read_number(const fs::path& file) {
  const auto value = sysfs_number(file);
  return value && *value >= 0 ? value : std::nullopt;
}

/// "intel-rapl:0": a package.  Zones below it ("intel-rapl:0:1", its cores) are part of it, those of
/// "intel-rapl-mmio" the same once more, and one of name "psys" is the whole platform.
bool is_package(const fs::path& zone) {
  const std::string name = zone.filename().string(), begin = "intel-rapl:";
  if (name.rfind(begin, 0) != 0 || name.find(':', begin.size()) != std::string::npos) return false;
  return sysfs_text(zone / "name").value_or("").rfind("package", 0) == 0;
}

}  // namespace

EnergyMeter::EnergyMeter(const fs::path& powercap) {
  for (const fs::path& zone : sysfs_entries(powercap)) {
    if (!is_package(zone)) continue;
    const auto now = read_number(zone / "energy_uj"), range = read_number(zone / "max_energy_range_uj");
    if (!now || !range) {  // of the others alone it would be too little
      zones_.clear();
      break;
    }
    zones_.push_back({zone / "energy_uj", *now, *range});
  }
  readable_ = !zones_.empty();
}

std::optional<double> EnergyMeter::joules() {
  for (Zone& zone : zones_) {
    const auto now = read_number(zone.counter);
    readable_ = readable_ && now;
    if (!readable_) return {};
    joules_ += 1e-6 * static_cast<double>(*now - zone.last + (*now < zone.last ? zone.range : 0));
    zone.last = *now;
  }
  if (!readable_) return {};
  return joules_;
}

}  // namespace edgeclip
