#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "builder/quantize/histogram.h"
#include "builder/quantize/quant_math.h"
#include "bundle/bundle.h"

namespace edgeclip::builder {

/// How activations are observed and their ranges chosen.
struct CalibrationOptions {
  std::string data;  ///< prepared dataset, or a folder of a model's inputs
  std::string
      image_root;  ///< of its images, where they were moved; else "".  Not written to calibration.json
  std::string split = "train";
  int samples = 256;                      ///< images, and as many captions
  std::string calibrator = "percentile";  ///< calibrators()
  double percentile = 99.99;              ///< of calibrator percentile
  double smooth = 0;                      ///< of a bundle: alpha of smoothing_factors(); 0: none
  bool bias_correction = false;           ///< of a bundle: means are recorded, for corrected_bias()
  std::vector<std::string> exclude = {"visual_projection",
                                      "text_projection"};  ///< parts of names that stay float32; of a bundle: excluded_of()
};

/// How the range of an activation follows from the histogram of its values:
///   minmax      all that was seen
///   percentile  that share of the values, equal shares being cut off at both ends
///   entropy     least Kullback-Leibler divergence of what is left (Histogram::entropy_range)
///   mse         least mean square error (Histogram::least_error_range)
const std::vector<std::string>& calibrators();

/// Throws InvalidInput (option: "--calibrator") unless it is one of those.
void check_calibrator(const std::string& name, const std::string& option);

/// Range of one activation and what it was made of.
struct TensorCalibration {
  ActivationScale scale;
  double min = 0, max = 0;  ///< seen
  std::vector<float> smooth{};  ///< smoothing_factors() by which the value is divided, which all of this is said of; or empty
  std::vector<float> mean{};    ///< of each channel, for the biases of products that read it; or empty
};

/// What was seen of a value by channel, its last axis.
struct ChannelStatistics {
  std::vector<float> mean, most;  ///< most: largest magnitude
};

/// calibration.json: what quantization needs besides the weights, keyed by the ONNX name of the activation.
struct Calibration {
  CalibrationOptions options;  ///< samples: as many as were used
  int weight_bits = 8;
  std::map<std::string, TensorCalibration> image, text;

  Json to_json() const;
  /// Throws InvalidInput naming file and key.  Whether it is of a model: require_calibration_of().
  static Calibration read(const std::filesystem::path& file);
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
