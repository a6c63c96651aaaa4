#include "bundle/activation_scale.h"

#include <algorithm>
#include <cmath>

namespace edgeclip {

ActivationScale activation_scale(double low, double high) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  const float scale = static_cast<float>((high - low) / 255.0);
  // Smaller ranges than this are nothing but rounding noise, and 1 / scale would overflow.
  if (!(scale > 1e-30f)) return {};
  return {scale, static_cast<std::uint8_t>(std::clamp(std::nearbyint(-low / scale), 0.0, 255.0))};
}

}  // namespace edgeclip
