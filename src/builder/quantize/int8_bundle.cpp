#include "builder/quantize/int8_bundle.h"

#include <onnx/onnx_pb.h>

#include "base/build_info.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/signals.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/static_quantize.h"
#include "bundle/excluded.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {
namespace fs = std::filesystem;

namespace {

/// Layers that became int8.
int write_int8_weights(const Bundle& bundle, const std::string& tower, const QuantizeOptions& options,
                       const fs::path& out) {
  throw_if_interrupted();
  const std::string name = tower + ".onnx";
  const fs::path file = bundle.directory / name;
  ::onnx::ModelProto model = onnx_ir::read_model(file);
  const Int8Weights counts = store_int8_weights(
      model, {/*layers=*/true, excluded_of(options.exclude, tower), options.weight_bits}, file);
  if (!onnx_ir::check_model(model, name))
    spdlog::info("{}: libonnx's checker does not know its opset yet", name);
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

Json write_dynamic(const Bundle& bundle, const QuantizeOptions& options, const fs::path& work) {
  Json quantized = Json::object();
  int layers = 0;
  for (const char* tower : {"image", "text"}) {
    const int of_tower = write_int8_weights(bundle, tower, options, work);
    quantized[tower] = of_tower;
    layers += of_tower;
  }
  if (layers == 0)
    invalid_input("{}: no product or convolution is left to quantize; leave fewer out (--exclude {})",
                  options.bundle, fmt::join(options.exclude, " "));
  return quantized;
}

}  // namespace

Json write_int8_bundle(Bundle bundle, const QuantizeOptions& options,
                       const std::optional<Calibration>& calibration, const Json& mixed,
                       const fs::path& work) {
  Json report = Json::object(), calibrated = Json::object();
  BundleQuantization done = {options.method, options.weight_bits, options.exclude};
  if (calibration) {
    const QuantizedCounts counts = write_quantized_models(bundle, *calibration, work);
    report["quantized"] = {{"image", counts.image}, {"text", counts.text}};
    done.weight_bits = calibration->weight_bits;
    done.exclude = calibration->options.exclude;
    calibrated = {{"data", calibration->options.data},
                  {"split", calibration->options.split},
                  {"samples", calibration->options.samples},
                  {"range", calibration->options.calibrator},
                  {"percentile", calibration->options.percentile},
                  {"smooth", calibration->options.smooth},
                  {"bias_correction", calibration->options.bias_correction}};
    if (!options.calibration.empty()) calibrated["calibration"] = options.calibration;
  } else {
    report["quantized"] = write_dynamic(bundle, options, work);
  }
  report["weight_bits"] = done.weight_bits;
  report.update(calibrated);

  std::error_code error;
  fs::copy(bundle.tokenizer(), work / "tokenizer", fs::copy_options::recursive, error);
  if (!error) fs::copy_file(bundle.reference(), work / "reference.safetensors", error);
  if (!error && fs::exists(bundle.layers())) fs::copy_file(bundle.layers(), work / "layers.safetensors", error);
  if (error) throw_output_error(options.out, error.value());
  for (const char* file : {"image.onnx", "text.onnx"})
    report["bytes"][file] = {{"fp32", model_bytes(bundle.directory / file)},
                             {"int8", model_bytes(work / file)}};

  bundle.precision = "int8";
  bundle.quantization = done;
  if (!bundle.provenance.is_array()) bundle.provenance = Json::array();
  Json provenance = {{"command", "quantize"},           {"version", version()},
                     {"bundle", options.bundle},        {"method", options.method},
                     {"weight_bits", done.weight_bits}, {"exclude", done.exclude}};
  provenance.update(calibrated);
  for (const char* key : {"max_recall_loss", "split", "images", "fp32", "int8", "result"})
    if (!mixed.is_null()) provenance["mixed"][key] = mixed.at(key);
  bundle.provenance.push_back(std::move(provenance));
  write_bundle_json(work, bundle);
  return report;
}

}  // namespace edgeclip::builder
