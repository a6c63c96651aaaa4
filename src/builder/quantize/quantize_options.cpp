#include "builder/quantize/quantize_options.h"

#include <cmath>

#include "base/error.h"
#include "base/nearest.h"
#include "builder/quantize/calibration.h"

namespace edgeclip::builder {
namespace {

/// Of what a run over a dataset is told; why: says what does without.
void refuse_calibrating(const QuantizeOptions& options, const std::string& why) {
  const QuantizeOptions usual;
  const bool reads = measures_retrieval(options);  // the dataset, whatever it is calibrated by
  const auto refuse = [&](bool given, const char* option) {
    if (given) invalid_input("--{}: {}; leave it out", option, why);
  };
  refuse(!options.data.empty() && !reads, "data");
  refuse(!options.image_root.empty() && !reads, "image-root");
  refuse(options.split != usual.split, "split");
  refuse(options.samples != usual.samples, "samples");
  refuse(options.calibrator != usual.calibrator, "calibrator");
  refuse(!options.range.empty(), "range");
  refuse(options.percentile != usual.percentile, "percentile");
  refuse(options.smooth != usual.smooth, "smooth");
  refuse(options.bias_correction != usual.bias_correction, "bias-correction");
}

void check_measuring(const QuantizeOptions& options) {
  const QuantizeOptions usual;
  if (std::isnan(options.max_recall_loss) || options.max_recall_loss > 100)
    invalid_input("--max-recall-loss {}: is not a number of points of R@1, from 0 to 100",
                  options.max_recall_loss);
  if (measures_retrieval(options)) {
    if (options.data.empty())
      invalid_input("--{} measures retrieval; give --data DATASET",
                    options.sensitivity.empty() ? "max-recall-loss" : "sensitivity");
    if (options.score_samples < 1)
      invalid_input("--score-samples {}: at least 1 is needed", options.score_samples);
    return;
  }
  const auto refuse = [](bool given, const char* option) {
    if (given)
      invalid_input("--{}: has no effect without --sensitivity or --max-recall-loss; leave it out", option);
  };
  refuse(options.score_split != usual.score_split, "score-split");
  refuse(options.score_samples != usual.score_samples, "score-samples");
}

void check_static(const QuantizeOptions& options) {
  if (!options.calibration.empty()) {
    const QuantizeOptions usual;
    const std::string why = fmt::format("{} was calibrated with its own", options.calibration);
    refuse_calibrating(options, why);
    if (options.exclude != usual.exclude) invalid_input("--exclude: {}; leave it out", why);
    if (options.weight_bits != usual.weight_bits) invalid_input("--weight-bits: {}; leave it out", why);
    return;
  }
  const std::string calibrator = calibrator_of(options);
  if (calibrator != "percentile" && options.percentile != QuantizeOptions().percentile)
    invalid_input("--percentile {}: has no effect with --calibrator {}; leave one of them out",
                  options.percentile, calibrator);
  if (!(options.smooth >= 0 && options.smooth <= 1))
    invalid_input("--smooth {}: must be from 0 (off) to 1", options.smooth);
  if (options.data.empty())
    invalid_input(
        "--method static needs --data DATASET to calibrate with, or --calibration FILE.json of the same "
        "model (only a bundle of a model that was trained with quantization_aware has its own)");
}

}  // namespace

bool measures_retrieval(const QuantizeOptions& options) {
  return !options.sensitivity.empty() || options.max_recall_loss >= 0;
}

std::string calibrator_of(const QuantizeOptions& options) {
  check_calibrator(options.calibrator, "--calibrator");
  if (options.range.empty()) return options.calibrator;
  check_calibrator(options.range, "--range");
  if (options.calibrator != QuantizeOptions().calibrator && options.calibrator != options.range)
    invalid_input("--range {}: is the older name of --calibrator, which is {}; give one of them",
                  options.range, options.calibrator);
  return options.range;
}

void check_quantize_options(const QuantizeOptions& options) {
  const bool dynamic = options.method == "dynamic";
  if (!dynamic && options.method != "static")
    invalid_input("--method {}: unknown{}", options.method,
                  did_you_mean(options.method, {"static", "dynamic"}));
  if (options.weight_bits != 7 && options.weight_bits != 8)
    invalid_input("--weight-bits {}: must be 7 or 8", options.weight_bits);
  check_measuring(options);
  if (!dynamic) return check_static(options);
  if (!options.calibration.empty())
    invalid_input("--calibration {}: calibrates, and --method dynamic does without; leave it out",
                  options.calibration);
  refuse_calibrating(options, "calibrates, and --method dynamic does without");
}

}  // namespace edgeclip::builder
