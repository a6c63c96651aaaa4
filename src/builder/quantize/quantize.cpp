#include "builder/quantize/quantize.h"

#include <filesystem>

#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/io_error.h"
#include "base/measure.h"
#include "base/nearest.h"
#include "builder/quantize/static_quantize.h"
#include "bundle/bundle.h"

namespace edgeclip::builder {
namespace fs = std::filesystem;

namespace {

std::string calibrator_of(const QuantizeOptions& options) {
  check_calibrator(options.calibrator, "--calibrator");
  if (options.range.empty()) return options.calibrator;
  check_calibrator(options.range, "--range");
  if (options.calibrator != QuantizeOptions().calibrator && options.calibrator != options.range)
    invalid_input("--range {}: is the older name of --calibrator, which is {}; give one of them",
                  options.range, options.calibrator);
  return options.range;
}

}  // namespace

Json quantize_bundle(const QuantizeOptions& options) {
  if (options.method == "dynamic")
    invalid_input("--method dynamic: not available in this version; use --method static --data DATASET");
  if (options.method != "static")
    invalid_input("--method {}: unknown{}", options.method, did_you_mean(options.method, {"static"}));
  const std::string calibrator = calibrator_of(options);
  if (calibrator != "percentile" && options.percentile != QuantizeOptions().percentile)
    invalid_input("--percentile {}: has no effect with --calibrator {}; leave one of them out",
                  options.percentile, calibrator);
  if (options.weight_bits != 7 && options.weight_bits != 8)
    invalid_input("--weight-bits {}: must be 7 or 8", options.weight_bits);
  if (options.data.empty()) invalid_input("--method static needs --data DATASET to calibrate with");

  const Stopwatch clock;
  Bundle bundle = open_bundle(options.bundle);
  if (bundle.precision != "fp32")
    invalid_input("{}: is {} already; quantize the fp32 bundle it was made from", options.bundle,
                  bundle.precision);
  AtomicDirectory out(options.out, "bundle.json", {options.overwrite, {options.bundle, options.data}});

  CalibrationOptions calibration_options;
  calibration_options.data = options.data;
  calibration_options.image_root = options.image_root;
  calibration_options.split = options.split;
  calibration_options.samples = options.samples;
  calibration_options.calibrator = calibrator;
  calibration_options.percentile = options.percentile;
  calibration_options.exclude = options.exclude;
  const Calibration calibration = calibrate(bundle, calibration_options, options.weight_bits);
  const QuantizedCounts counts = write_quantized_models(bundle, calibration, out.work());

  std::error_code error;
  fs::copy(bundle.tokenizer(), out.work() / "tokenizer", fs::copy_options::recursive, error);
  if (!error) fs::copy_file(bundle.reference(), out.work() / "reference.safetensors", error);
  if (error) throw_output_error(options.out, error.value());

  Json report = Json::object();
  report["method"] = options.method;
  report["range"] = calibrator;
  report["percentile"] = options.percentile;
  report["samples"] = calibration.options.samples;
  report["weight_bits"] = options.weight_bits;
  report["quantized"] = {{"image", counts.image}, {"text", counts.text}};
  for (const char* file : {"image.onnx", "text.onnx"})
    report["bytes"][file] = {{"fp32", fs::file_size(bundle.directory / file)},
                             {"int8", fs::file_size(out.work() / file)}};

  bundle.precision = "int8";
  if (!bundle.provenance.is_array()) bundle.provenance = Json::array();
  bundle.provenance.push_back({{"command", "quantize"},
                               {"version", version()},
                               {"bundle", options.bundle},
                               {"method", options.method},
                               {"data", options.data},
                               {"split", options.split},
                               {"samples", calibration.options.samples},
                               {"range", calibrator},
                               {"percentile", options.percentile},
                               {"weight_bits", options.weight_bits},
                               {"exclude", options.exclude}});
  write_bundle_json(out.work(), bundle);
  out.commit();
  report["seconds"] = clock.seconds();
  return report;
}

}  // namespace edgeclip::builder
