#include "base/sysfs.h"

#include <algorithm>
#include <fstream>
#include <system_error>

namespace edgeclip {

namespace fs = std::filesystem;

std::optional<std::int64_t> sysfs_number(const fs::path& file) {
  std::ifstream in(file);
  std::int64_t value = 0;
  if (in >> value) return value;
  return {};
}

std::optional<std::string> sysfs_text(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  if (std::getline(in, line)) return line;
  return {};
}

std::vector<fs::path> sysfs_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) entries.push_back(it->path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace edgeclip
