#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace edgeclip {

/// quantization.json of a checkpoint that learned to be int8: ranges of what its layers read, by which export writes a bundle's
/// calibration.json.
struct QuantizationRanges {
  struct Range {
    double low = 0, high = 0;
  };
  std::map<std::string, Range> layers;  ///< by the layer's name in the model ("vision_model.encoder.layers.0.mlp.fc1")
  int weight_bits = 8;
  std::vector<std::string> exclude;  ///< parts of names of layers that stayed float32 (bundle/excluded.h)
  std::string data, split;           ///< what it was trained on: name of the dataset
  std::int64_t samples = 0;          ///< images of it
  std::string weights;               ///< float_weights_hash() of the model that has these ranges

  void write(const std::filesystem::path& file) const;
  /// Throws InvalidInput naming file and key.
  static QuantizationRanges read(const std::filesystem::path& file);
};

}  // namespace edgeclip
