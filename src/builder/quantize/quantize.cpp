#include "builder/quantize/quantize.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <filesystem>

#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/measure.h"
#include "base/signals.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/static_quantize.h"
#include "bundle/bundle.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {
namespace fs = std::filesystem;

namespace {

/// A part that is in no name would leave nothing out.  The usual parts are those of our own exports.
void require_exclusions(const Bundle& bundle, const QuantizeOptions& options) {
  const std::vector<std::string> usual = QuantizeOptions().exclude;
  std::vector<std::string> unusual;
  for (const std::string& part : options.exclude)
    if (std::find(usual.begin(), usual.end(), part) == usual.end()) unusual.push_back(part);
  if (unusual.empty()) return;  // without reading the models once more
  std::string names;  // of nodes that would be quantized and of their weights
  for (const auto& file : {bundle.image_onnx(), bundle.text_onnx()}) {
    const auto model = onnx_ir::read_model(file);
    for (const auto& matmul : find_quantizable(model, {})) names += matmul.name + "\n" + matmul.weights + "\n";
    for (const auto& node : model.graph().node())
      if (((options.method == "dynamic" && node.op_type() == "Conv") || node.op_type() == "Gather") && node.input_size() > 1)
        names += node.name() + "\n" + node.input(node.op_type() == "Conv" ? 1 : 0) + "\n";
  }
  for (const std::string& part : unusual)
    if (names.find(part) == std::string::npos)
      invalid_input("--exclude {}: is in the name of no node or weight of {} that would be quantized", part,
                    bundle.directory.string());
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
  how.exclude = options.exclude;
  return calibrate(bundle, how, options.weight_bits);
}

/// Layers that became int8.
int write_int8_weights(const Bundle& bundle, const std::string& tower, const QuantizeOptions& options, const fs::path& out) {
  throw_if_interrupted();
  const std::string name = tower + ".onnx";
  const fs::path file = bundle.directory / name;
  ::onnx::ModelProto model = onnx_ir::read_model(file);
  const Int8Weights counts = store_int8_weights(model, {/*layers=*/true, options.exclude, options.weight_bits}, file);
  if (!onnx_ir::check_model(model, name)) spdlog::info("{}: libonnx's checker does not know its opset yet", name);
  onnx_ir::write_model(out / name, model);
  spdlog::info("{}: weights of {} products, {} convolutions and {} tables are int8", name, counts.products,
               counts.convolutions, counts.tables);
  return counts.products + counts.convolutions;
}

/// With what lies beside it.
std::uintmax_t model_bytes(const fs::path& file) {
  fs::path beside = file;
  beside += ".data";
  return fs::file_size(file) + (fs::exists(beside) ? fs::file_size(beside) : 0);
}

}  // namespace

Json quantize_bundle(const QuantizeOptions& options) {
  const bool dynamic = options.method == "dynamic";
  check_quantize_options(options);

  const Stopwatch clock;
  Bundle bundle = open_bundle(options.bundle);
  if (bundle.precision != "fp32")
    invalid_input("{}: is {} already; quantize the fp32 bundle it was made from", options.bundle,
                  bundle.precision);
  require_exclusions(bundle, options);
  AtomicDirectory out(options.out, "bundle.json", {options.overwrite, {options.bundle, options.data, options.calibration}});

  BundleQuantization done = {options.method, options.weight_bits, options.exclude};
  Json calibrated = Json::object();  // what static adds to report and provenance
  Json report = {{"method", options.method}};
  if (dynamic) {
    int layers = 0;
    for (const char* tower : {"image", "text"}) {
      const int of_tower = write_int8_weights(bundle, tower, options, out.work());
      report["quantized"][tower] = of_tower;
      layers += of_tower;
    }
    if (layers == 0)
      invalid_input("{}: no product or convolution is left to quantize; leave fewer out (--exclude {})", options.bundle,
                    fmt::join(options.exclude, " "));
  } else {
    const Calibration calibration = calibration_of(bundle, options);
    const QuantizedCounts counts = write_quantized_models(bundle, calibration, out.work());
    report["quantized"] = {{"image", counts.image}, {"text", counts.text}};
    done.weight_bits = calibration.weight_bits;
    done.exclude = calibration.options.exclude;
    calibrated = {{"data", calibration.options.data},
                  {"split", calibration.options.split},
                  {"samples", calibration.options.samples},
                  {"range", calibration.options.calibrator},
                  {"percentile", calibration.options.percentile}};
    if (!options.calibration.empty()) calibrated["calibration"] = options.calibration;
  }
  report["weight_bits"] = done.weight_bits;
  report.update(calibrated);

  std::error_code error;
  fs::copy(bundle.tokenizer(), out.work() / "tokenizer", fs::copy_options::recursive, error);
  if (!error) fs::copy_file(bundle.reference(), out.work() / "reference.safetensors", error);
  if (error) throw_output_error(options.out, error.value());

  for (const char* file : {"image.onnx", "text.onnx"})
    report["bytes"][file] = {{"fp32", model_bytes(bundle.directory / file)},
                             {"int8", model_bytes(out.work() / file)}};

  bundle.precision = "int8";
  bundle.quantization = done;
  if (!bundle.provenance.is_array()) bundle.provenance = Json::array();
  Json provenance = {{"command", "quantize"},           {"version", version()},
                     {"bundle", options.bundle},         {"method", options.method},
                     {"weight_bits", done.weight_bits}, {"exclude", done.exclude}};
  provenance.update(calibrated);
  bundle.provenance.push_back(std::move(provenance));
  write_bundle_json(out.work(), bundle);
  out.commit();
  report["seconds"] = clock.seconds();
  return report;
}

}  // namespace edgeclip::builder
