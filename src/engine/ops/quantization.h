#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace edgeclip::engine {

/// QuantizeLinear of one element: saturate(round(x / scale) + zero), halves to even; NaN gives the zero
/// point, and a scale of 0 saturates (C++ leaves the conversion of infinities undefined).
template <class T, class X>
T quantize(X x, X scale, T zero) {
  const X q = std::nearbyint(x / scale) + static_cast<X>(zero);
  if (q != q) return zero;
  const auto low = static_cast<X>(std::numeric_limits<T>::lowest()),
             high = static_cast<X>(std::numeric_limits<T>::max());
  return q <= low    ? std::numeric_limits<T>::lowest()
         : q >= high ? std::numeric_limits<T>::max()
                     : static_cast<T>(q);
}

}  // namespace edgeclip::engine
