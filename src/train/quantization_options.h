#pragma once

#include <string>
#include <vector>

namespace edgeclip {

/// Training with int8 in the loop (train/quantization_aware.h).
struct QuantizationAwareOptions {
  bool enabled = false;
  int weight_bits = 8;
  double momentum = 0.99;
  double start = 0.1, freeze = 0.8;
  std::vector<std::string> exclude = {"visual_projection", "text_projection"};

  template <class Visitor>
  void fields(Visitor& v) {
    v("enabled", enabled,
      "fake quantization: layers compute with weights and activations as static int8 rounds them, so that the model learns to be int8");
    v("weight_bits", weight_bits, "8, or 7: as quantize --weight-bits");
    v("momentum", momentum, "of the moving average of least and most that an activation's range is: the part of it that a step leaves");
    v("start", start, "part of the run after which layers round; before it, and in the first step anyway, ranges are observed alone");
    v("freeze", freeze, "part of the run after which ranges stay what they are");
    v("exclude", exclude,
      "part of names of weights whose layers stay float32, or =NAME for a whole name; image: or text: before it: of that tower alone; as "
      "quantize --exclude");
  }
  void validate(const std::string& where) const;
};

}  // namespace edgeclip
