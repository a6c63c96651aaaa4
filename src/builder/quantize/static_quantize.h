#pragma once

#include <filesystem>
#include <string>

#include "builder/quantize/calibration.h"
#include "bundle/bundle.h"

namespace edgeclip::builder {

/// How many MatMuls of each tower became int8.
struct QuantizedCounts {
  int image = 0, text = 0;
};

/// Writes image.onnx and text.onnx with Q/DQ pairs, and calibration.json, into the folder `out` (which
/// exists). bundle: fp32.  A tower without calibrated tensors stays float32.  Throws InvalidInput if the
/// bundle is not fp32, or if the calibration of a tower names none of its activations (it was made for
/// another model).
QuantizedCounts write_quantized_models(const Bundle& bundle, const Calibration& calibration,
                                       const std::filesystem::path& out);

}  // namespace edgeclip::builder
