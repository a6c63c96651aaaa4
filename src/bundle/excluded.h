#pragma once

#include <algorithm>
#include <string>
#include <vector>

/// What stays float32 where a model becomes int8, by parts of names: one language for calibration, quantization and training.
namespace edgeclip {

/// Whether a name of a node or of weights contains one of the parts that --exclude names, or is the name that stands behind a "=";
/// an empty part is in none.
inline bool has_excluded_part(const std::string& name, const std::vector<std::string>& exclude) {
  return std::any_of(exclude.begin(), exclude.end(), [&](const std::string& part) {
    if (!part.empty() && part[0] == '=') return name.compare(0, std::string::npos, part, 1) == 0 && !name.empty();
    return !part.empty() && name.find(part) != std::string::npos;
  });
}

/// Of a bundle's exclusions those that hold for one of its towers ("image", "text"): "TOWER:PART" is of that tower alone.
inline std::vector<std::string> excluded_of(const std::vector<std::string>& exclude, const std::string& tower) {
  std::vector<std::string> own;
  for (const std::string& part : exclude) {
    const std::string of = part.substr(0, part.find(':'));
    if (of != "image" && of != "text")
      own.push_back(part);
    else if (of == tower && part.size() > of.size())
      own.push_back(part.substr(of.size() + 1));
    else if (part == of)
      own.push_back(part);
  }
  return own;
}

}  // namespace edgeclip
