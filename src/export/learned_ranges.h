#pragma once

#include <map>
#include <string>

#include "bundle/calibration.h"
#include "model/quantization/ranges_file.h"
#include "onnx/model.h"

namespace edgeclip {

/// Of the values that products and convolutions of an exported graph read, those that have a range in the model: by their ONNX names,
/// which are found through the weights', since those keep their names.
std::map<std::string, TensorCalibration> activations_with_ranges(const onnx_ir::Model& graph, const QuantizationRanges& ranges);

/// calibration.json of both towers.  Neither factors nor means stand in it: the weights have learned to do without.
Calibration learned_calibration(const QuantizationRanges& ranges, std::map<std::string, TensorCalibration> image,
                                std::map<std::string, TensorCalibration> text);

}  // namespace edgeclip
