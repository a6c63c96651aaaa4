#pragma once

#include <string>
#include <vector>

#include "builder/quantize/histogram.h"
#include "builder/quantize/quant_math.h"
#include "bundle/bundle.h"
#include "bundle/calibration.h"

namespace edgeclip::builder {

/// What was seen of a value by channel, its last axis.
struct ChannelStatistics {
  std::vector<float> mean, most;  ///< most: largest magnitude
};

/// Throws InvalidInput (where: the calibration's file) unless the calibration is of this fp32 bundle and complete: it has a
/// range of every value that products of the towers read which are not excluded, and none of a value that no product reads.
void require_calibration_of(const Bundle& bundle, const Calibration& calibration, const std::string& where);

/// The range of a histogram as the options say.
ActivationScale choose_scale(const Histogram& histogram, const CalibrationOptions& options);

/// Runs both towers of an fp32 bundle over evenly spread images of the split and their captions (a pure
/// function of dataset and options) and records what goes into every product and convolution
/// that find_quantizable() gives.  Throws InvalidInput
/// if the dataset does not have the split.
Calibration calibrate(const Bundle& bundle, const CalibrationOptions& options, int weight_bits);

}  // namespace edgeclip::builder
