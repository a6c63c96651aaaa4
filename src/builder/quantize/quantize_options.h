#pragma once

#include <string>
#include <vector>

namespace edgeclip::builder {

struct QuantizeOptions {
  std::string bundle, out;
  bool overwrite = false;  ///< a bundle at `out` may be replaced
  std::string method =
      "static";  ///< "static": calibrated activations | "dynamic": weights alone, activations as they come
  std::string data;         ///< static: prepared dataset for calibration, or
  std::string calibration;  ///< a calibration.json of the same model, whose exclusions and weight bits hold
  std::string image_root;   ///< of its images, where they were moved; else ""
  std::string split = "train";
  int samples = 256;                      ///< images and captions used
  std::string calibrator = "percentile";  ///< of activations' ranges: calibrators()
  std::string range;                      ///< older name of `calibrator`; "" where that is used
  double percentile = 99.99;    ///< calibrator percentile: that share of values is kept, the rest clipped
  double smooth = 0.5;          ///< static: alpha of smoothing_factors(), 0 to 1; 0: none
  bool bias_correction = true;  ///< static: corrected_bias()
  int weight_bits = 8;  ///< 8, or 7: then CPUs without VNNI multiply in int8 too, at some loss of accuracy
  /// Parts of node or weight names that stay float32.  The projections cost next to nothing (one row per
  /// item) and their rounding goes straight into the embedding: on a small transformer the worst cosine rose
  /// from 0.995 to 0.999.
  /// "=NAME" is a whole name, "image:..." and "text:..." are of that tower alone.
  std::vector<std::string> exclude = {"visual_projection", "text_projection"};
  std::string sensitivity;      ///< JSON file for what each layer costs; `out` may then be left out
  double max_recall_loss = -1;  ///< points of R@1; from 0 on: as few layers stay float32 as keep within it
  std::string score_split = "val";  ///< of `data`, whose retrieval the two above measure
  int score_samples = 500;          ///< images of it, with their captions, at most
};

/// Throws InvalidInput naming the option that is impossible, or would have no effect beside others.
void check_quantize_options(const QuantizeOptions& options);

/// Whether layers are tried out: --sensitivity, --max-recall-loss.
bool measures_retrieval(const QuantizeOptions& options);

/// The calibrator in force: `calibrator`, or its older name.
std::string calibrator_of(const QuantizeOptions& options);

}  // namespace edgeclip::builder
