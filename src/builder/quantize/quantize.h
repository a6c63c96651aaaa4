#pragma once

#include "base/json.h"
#include "builder/quantize/quantize_options.h"
#include "builder/quantize/retrieval_probe.h"

namespace edgeclip::builder {

/// Writes a bundle of int8 ONNX files that other runtimes load too.
///   static   Q/DQ pairs around products: int8 weights with a scale per column, activations calibrated per tensor, or taken from a
///            calibration.json: the one named, or without data the bundle's own (of a model that learned to be int8); a calibration.json
///   dynamic  int8 weights of products and convolutions behind DequantizeLinear; a plan of it multiplies products in int8, with a
///            scale for every row (token, patch) found at run time, which plain Q/DQ cannot say.  No data is needed
/// Token tables have a scale per row.  --sensitivity writes its file; --max-recall-loss leaves layers in float32, which the report
/// names under "mixed".  open_probe: for these two; not called without.  Returns the report.  Throws CheckNotMet if int8 cannot keep
/// to --max-recall-loss.
Json quantize_bundle(const QuantizeOptions& options, const OpenProbe& open_probe = {});

}  // namespace edgeclip::builder
