#pragma once

#include <filesystem>
#include <string>

#include "builder/quantize/calibration.h"
#include "bundle/bundle.h"

namespace edgeclip::builder {

/// How many products and convolutions of each tower became int8.
struct QuantizedCounts {
  int image = 0, text = 0;
};

/// Writes image.onnx and text.onnx with Q/DQ pairs around products and convolutions, and int8 weights of tables and patch
/// embeddings (store_int8_weights(): what patches are multiplied with in int8 is a plan's business, with a
/// scale for every patch), and calibration.json, into the folder `out` (which exists). bundle: fp32.
/// calibration: of it (require_calibration_of()).  A tower of which everything is excluded stays float32.
QuantizedCounts write_quantized_models(const Bundle& bundle, const Calibration& calibration,
                                       const std::filesystem::path& out);

}  // namespace edgeclip::builder
