#include "base/energy_meter.h"

#include <fstream>
#include <string>
#include <system_error>

namespace edgeclip {

namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> read_number(const fs::path& file) {
  std::ifstream in(file);
  std::int64_t value = 0;
  if (in >> value && value >= 0) return value;
  return {};
}

/// "intel-rapl:0": a package.  Zones below it ("intel-rapl:0:1", its cores) are part of it, those of
/// "intel-rapl-mmio" the same once more, and one of name "psys" is the whole platform.
bool is_package(const fs::path& zone) {
  const std::string name = zone.filename().string(), begin = "intel-rapl:";
  if (name.rfind(begin, 0) != 0 || name.find(':', begin.size()) != std::string::npos) return false;
  std::ifstream in(zone / "name");
  std::string label;
  return in >> label && label.rfind("package", 0) == 0;
}

}  // namespace

EnergyMeter::EnergyMeter(const fs::path& powercap) {
  std::error_code error;
  for (fs::directory_iterator it(powercap, error), end; !error && it != end; it.increment(error)) {
    if (!is_package(it->path())) continue;
    const auto now = read_number(it->path() / "energy_uj"),
               range = read_number(it->path() / "max_energy_range_uj");
    if (now && range) zones_.push_back({it->path() / "energy_uj", *now, *range});
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
