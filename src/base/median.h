#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "base/error.h"

namespace edgeclip {

/// The value in the middle, of an even number the mean of the two that are; NaN if one of them all is.  There must be one at least.
inline double median(std::vector<double> values) {
  EDGECLIP_CHECK(!values.empty(), "the median of nothing");
  for (const double value : values)
    if (std::isnan(value)) return value;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return values.size() % 2 == 1 ? *middle : (*std::max_element(values.begin(), middle) + *middle) / 2;
}

}  // namespace edgeclip
