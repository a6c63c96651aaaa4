#include "builder/quantize/quantize.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/atomic_output.h"
#include "base/file.h"
#include "base/log.h"
#include "base/measure.h"
#include "base/report_file.h"
#include "builder/quantize/choose_layers.h"
#include "builder/quantize/int8_bundle.h"
#include "builder/quantize/qdq_writer.h"
#include "bundle/bundle.h"
#include "bundle/excluded.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {
namespace {

/// A part that is in no name would leave nothing out.  The usual parts are those of our own exports.
void require_exclusions(const Bundle& bundle, const QuantizeOptions& options) {
  const std::vector<std::string> usual = QuantizeOptions().exclude;
  std::vector<std::string> unusual;
  for (const std::string& part : options.exclude)
    if (std::find(usual.begin(), usual.end(), part) == usual.end()) unusual.push_back(part);
  if (unusual.empty()) return;  // without reading the models once more
  std::map<std::string, std::vector<std::string>> names;  // of nodes that would be quantized and of their weights, by tower
  for (const char* tower : {"image", "text"}) {
    const auto model = onnx_ir::read_model(bundle.directory / (std::string(tower) + ".onnx"));
    std::vector<std::string>& own = names[tower];
    for (const auto& matmul : find_quantizable(model, {})) own.insert(own.end(), {matmul.name, matmul.weights});
    for (const auto& node : model.graph().node())
      if ((node.op_type() == "Conv" || node.op_type() == "Gather") && node.input_size() > 1)
        own.insert(own.end(), {node.name(), node.input(node.op_type() == "Conv" ? 1 : 0)});
  }
  for (const std::string& part : unusual) {
    bool found = false;
    for (const auto& [tower, own] : names)
      for (const std::string& name : own) found = found || has_excluded_part(name, excluded_of({part}, tower));
    if (!found)
      invalid_input("--exclude {}: is in the name of no node or weight of {} that would be quantized", part,
                    bundle.directory.string());
  }
}

/// With the ranges that a bundle was trained with, where nothing else says how it is calibrated.
QuantizeOptions with_own_calibration(QuantizeOptions options) {
  const std::filesystem::path own = std::filesystem::path(options.bundle) / kCalibrationFile;
  if (options.method != "static" || !options.calibration.empty() || !std::filesystem::exists(own)) return options;
  if (options.data.empty())
    options.calibration = own.string();
  else
    spdlog::info("{}: is not used, as --data calibrates; --calibration names it", own.string());
  return options;
}

/// From the file, or from a run over the dataset.
Calibration calibration_of(const Bundle& bundle, const QuantizeOptions& options) {
  if (!options.calibration.empty()) {
    Calibration file = Calibration::read(options.calibration);
    require_calibration_of(bundle, file, options.calibration);
    return file;
  }
  CalibrationOptions how;
  how.data = options.data;
  how.image_root = options.image_root;
  how.split = options.split;
  how.samples = options.samples;
  how.calibrator = calibrator_of(options);
  how.percentile = options.percentile;
  how.smooth = options.smooth;
  how.bias_correction = options.bias_correction;
  how.exclude = options.exclude;
  return calibrate(bundle, how, options.weight_bits);
}

}  // namespace

Json quantize_bundle(const QuantizeOptions& asked, const OpenProbe& open_probe) {
  const QuantizeOptions options = with_own_calibration(asked);
  check_quantize_options(options);
  const Stopwatch clock;
  const Bundle bundle = open_bundle(options.bundle);
  if (bundle.precision != "fp32")
    invalid_input("{}: is {} already; quantize the fp32 bundle it was made from", options.bundle,
                  bundle.precision);
  require_exclusions(bundle, options);
  const std::vector<std::string> inputs = {options.bundle, options.data, options.calibration};
  if (!options.sensitivity.empty()) require_result_output(options.sensitivity, ReportKind::kJson, inputs, options.overwrite);
  if (!options.sensitivity.empty() && !options.out.empty() && lies_within(options.sensitivity, options.out))
    invalid_input("--sensitivity {}: lies in the bundle, which holds nothing else; name a file beside it", options.sensitivity);
  std::optional<AtomicDirectory> out;
  if (!options.out.empty()) {
    const FolderRules rules{options.overwrite, {options.bundle, options.data, options.calibration}};
    out.emplace(options.out, "bundle.json", rules);
  }

  Json report = {{"method", options.method}};
  std::optional<Calibration> calibration;
  if (options.method == "static") calibration = calibration_of(bundle, options);
  QuantizeOptions settled = options;
  std::vector<std::string>& exclude = calibration ? calibration->options.exclude : settled.exclude;
  if (measures_retrieval(options)) {
    const ChosenLayers chosen = choose_layers(bundle, options, calibration, open_probe);
    exclude.insert(exclude.end(), chosen.exclude.begin(), chosen.exclude.end());
    if (!chosen.mixed.is_null()) report["mixed"] = chosen.mixed;
  }
  if (out) {
    report.update(write_int8_bundle(bundle, settled, calibration, report.value("mixed", Json()), out->work()));
    out->commit();
  }
  report["seconds"] = clock.seconds();
  return report;
}

}  // namespace edgeclip::builder
