#include "base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMount = "/sys/fs/cgroup";
constexpr const char* kSelf = "/proc/self/cgroup";

/// The folders of this process's group and those above it, below mount.  controller: "" for version 2.
std::vector<fs::path> groups_of(const fs::path& mount, const fs::path& self, const std::string& controller) {
  std::vector<fs::path> groups = {mount};
  std::ifstream in(self);
  for (std::string line; std::getline(in, line);) {  // "0::/a/b", "4:memory:/a/b"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line.substr(first + 1, second - first - 1) != controller) continue;
    fs::path group = mount;
    for (const fs::path& part : fs::path(line.substr(second + 1)).relative_path()) {
      group /= part;
      groups.push_back(group);
    }
  }
  return groups;
}

}  // namespace

namespace detail {

std::optional<std::int64_t> cgroup_memory_limit(const fs::path& mount, const fs::path& self) {
  constexpr double kNone = 1ull << 62;  // version 1 says "no limit" by a number near this
  std::optional<std::int64_t> least;
  const auto add = [&](const fs::path& file) {
    std::ifstream in(file);
    double bytes = 0;  // "max" is no number
    if (in >> bytes && bytes > 0 && bytes < kNone)
      least = std::min(least.value_or(static_cast<std::int64_t>(bytes)), static_cast<std::int64_t>(bytes));
  };
  for (const auto& group : groups_of(mount, self, "")) add(group / "memory.max");
  for (const auto& group : groups_of(mount / "memory", self, "memory")) add(group / "memory.limit_in_bytes");
  return least;
}

std::optional<double> cgroup_cpu_limit(const fs::path& mount, const fs::path& self) {
  std::optional<double> least;
  for (const auto& group : groups_of(mount, self, "")) {
    std::ifstream in(group / "cpu.max");  // "200000 100000": 2 CPUs; "max 100000": no limit
    double quota = 0, period = 0;
    if (in >> quota >> period && quota > 0 && period > 0)
      least = std::min(least.value_or(quota / period), quota / period);
  }
  return least;
}

}  // namespace detail

std::optional<std::int64_t> cgroup_memory_limit() { return detail::cgroup_memory_limit(kMount, kSelf); }
std::optional<double> cgroup_cpu_limit() { return detail::cgroup_cpu_limit(kMount, kSelf); }

}  // namespace edgeclip
