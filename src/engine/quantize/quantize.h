#pragma once

#include <string>

#include "base/json.h"

namespace edgeclip::engine {

struct QuantizeOptions {
  std::string bundle, out;
  std::string method = "static";       ///< "static" (calibrated activations); "dynamic" is not there yet: a clear error
  std::string data;                    ///< prepared dataset for calibration
  std::string split = "train";
  int samples = 256;                   ///< images and captions used
  double percentile = 99.99;           ///< activations beyond it are clipped; 100 = min/max
};

/// Writes a bundle whose ONNX files carry Q/DQ pairs (per-channel int8 weights, per-tensor calibrated activations) that
/// other runtimes load too, and calibration.json.  Returns the report.
Json quantize_bundle(const QuantizeOptions& options);

}  // namespace edgeclip::engine
