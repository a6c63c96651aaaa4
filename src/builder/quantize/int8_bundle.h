#pragma once

#include <filesystem>
#include <optional>

#include "base/json.h"
#include "builder/quantize/calibration.h"
#include "builder/quantize/quantize_options.h"

namespace edgeclip::builder {

/// Writes a whole int8 bundle of an fp32 one into the folder `work`.  options: their exclusions and weight
/// bits hold for method dynamic; calibration: of method static, for which its own hold.  mixed: for the
/// provenance, or null.  Returns its part of the report: {"quantized" (layers by tower), "weight_bits",
/// "bytes", and of static "data", "split", "samples", "range", "percentile", "smooth", "bias_correction"}.
/// Throws InvalidInput if nothing would be int8.
Json write_int8_bundle(Bundle bundle, const QuantizeOptions& options,
                       const std::optional<Calibration>& calibration, const Json& mixed,
                       const std::filesystem::path& work);

}  // namespace edgeclip::builder
