#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

/// Weights of resampling and what becomes of the sums.
namespace edgeclip::engine {

/// Linear interpolation: the weight of a sample at distance x.
inline double triangle_weight(double x) { return std::fmax(0.0, 1 - std::fabs(x)); }

/// Cubic convolution (R. Keys, 1981) with the slope a at distance 1: the weight of a sample at distance x.
inline double cubic_weight(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/// A sum as an element: integers are cut towards zero and stay within their range; NaN gives 0.
template <class T>
T element_from(double value) {
  if constexpr (std::is_integral_v<T>) {
    if (value != value) return T(0);
    const auto low = static_cast<double>(std::numeric_limits<T>::lowest()),
               high = static_cast<double>(std::numeric_limits<T>::max());
    if (value <= low) return std::numeric_limits<T>::lowest();
    if (value >= high) return std::numeric_limits<T>::max();
  }
  return static_cast<T>(value);
}

}  // namespace edgeclip::engine
