#pragma once

#include <cmath>
#include <string>

#include "base/error.h"

/// Checks that the augmentations' option structs share.  where: ends in the struct's own key and a dot.
namespace edgeclip {

inline void require_probability(const std::string& where, const char* key, double value) {
  if (!(value >= 0 && value <= 1))
    invalid_input("{}{}: must be a probability from 0 to 1, is {}", where, key, value);
}

/// 0 < low <= high <= most.
inline void require_range(const std::string& where, const char* key, double low, double high, double most) {
  if (!(low > 0 && low <= high && high <= most && std::isfinite(high)))
    invalid_input("{}{}_min and {}_max: 0 < min <= max <= {} is needed, found {} and {}", where, key, key,
                  most, low, high);
}

}  // namespace edgeclip
