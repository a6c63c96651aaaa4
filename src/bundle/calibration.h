#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "bundle/activation_scale.h"

/// calibration.json: ranges of activations, written by who quantizes a bundle and by the export of a checkpoint that learned them.
namespace edgeclip {

/// Its name in a bundle.
inline constexpr const char* kCalibrationFile = "calibration.json";

/// How activations are observed and their ranges chosen.
struct CalibrationOptions {
  std::string data;  ///< prepared dataset, or a folder of a model's inputs
  std::string
      image_root;  ///< of its images, where they were moved; else "".  Not written to calibration.json
  std::string split = "train";
  int samples = 256;                      ///< images, and as many captions
  std::string calibrator = "percentile";  ///< calibrators(); in a file also kTrainedRanges
  double percentile = 99.99;              ///< of calibrator percentile
  double smooth = 0;                      ///< of a bundle: alpha of builder::smoothing_factors(); 0: none
  bool bias_correction = false;           ///< of a bundle: means are recorded, for builder::corrected_bias()
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

/// The method of a file whose ranges no calibrator chose: a training with int8 in the loop moved them.
inline constexpr const char* kTrainedRanges = "training";

/// Throws InvalidInput unless samples, percentile and calibrator are possible ones.  file: "FILE: " where they are from one, whose
/// keys the message then names, not options, and which may have kTrainedRanges.
void check_calibration_options(const CalibrationOptions& options, const std::string& file = "");

/// Range of one activation and what it was made of.
struct TensorCalibration {
  ActivationScale scale;
  double min = 0, max = 0;  ///< seen
  std::vector<float> smooth{};  ///< smoothing_factors() by which the value is divided, which all of this is said of; or empty
  std::vector<float> mean{};    ///< of each channel, for the biases of products that read it; or empty
};

/// calibration.json: what quantization needs besides the weights, keyed by the ONNX name of the activation.
struct Calibration {
  CalibrationOptions options;  ///< samples: as many as were used
  int weight_bits = 8;
  std::map<std::string, TensorCalibration> image, text;

  Json to_json() const;
  /// Throws InvalidInput naming file and key.  Whether it is of a model: builder::require_calibration_of().
  static Calibration read(const std::filesystem::path& file);
};

}  // namespace edgeclip
