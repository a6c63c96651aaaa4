#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace edgeclip::builder {

/// Whether a name of a node or of weights contains one of the parts that --exclude names; an empty part is in none.
inline bool has_excluded_part(const std::string& name, const std::vector<std::string>& exclude) {
  return std::any_of(exclude.begin(), exclude.end(),
                     [&](const std::string& part) { return !part.empty() && name.find(part) != std::string::npos; });
}

}  // namespace edgeclip::builder
