#pragma once

#include <cstdint>

namespace edgeclip {

/// Asymmetric uint8, one for a whole tensor of activations: x = scale * (q - zero_point).
struct ActivationScale {
  float scale = 1;  ///< > 0
  std::uint8_t zero_point = 0;
};

/// The scale for which [low, high], widened to hold 0, spans 0..255; 0 itself is represented exactly
/// (padding, ReLU and masks stay what they were).  An empty range (0, 0) gives scale 1.
ActivationScale activation_scale(double low, double high);

/// Elements of a table of embeddings from which on it becomes int8: smaller ones are not what makes a file large, and a small
/// model's accuracy shows their rounding.
inline constexpr std::int64_t kSmallestInt8Table = std::int64_t{1} << 20;

}  // namespace edgeclip
