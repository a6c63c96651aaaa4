#include "builder/quantize/calibration.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "base/nearest.h"
#include "builder/import/onnx_import.h"
#include "builder/quantize/calibrate_graph.h"
#include "builder/quantize/calibration_samples.h"
#include "builder/quantize/qdq_rewriter.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/quantize.h"
#include "data/dataset/dataset.h"
#include "data/text/tokenizer.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {

using namespace engine;
namespace {

constexpr int kFormat = 1;

Json tensors_to_json(const std::map<std::string, TensorCalibration>& tensors) {
  Json out = Json::object();
  for (const auto& [name, t] : tensors)
    out[name] = {
        {"scale", t.scale.scale}, {"zero_point", t.scale.zero_point}, {"min", t.min}, {"max", t.max}};
  return out;
}

std::map<std::string, TensorCalibration> tensors_from_json(const Json& tensors, const std::string& where) {
  if (!tensors.is_object()) invalid_input("{}: expected an object, found {}", where, json_kind(tensors));
  std::map<std::string, TensorCalibration> out;
  for (const auto& [name, entry] : tensors.items()) {
    const std::string at = where + "." + name;
    TensorCalibration t;
    t.scale.scale = static_cast<float>(json_get<double>(entry, "scale", at));
    t.scale.zero_point = json_get<std::uint8_t>(entry, "zero_point", at);
    t.min = json_get<double>(entry, "min", at);
    t.max = json_get<double>(entry, "max", at);
    if (!(t.scale.scale > 0) || !std::isfinite(t.scale.scale))
      invalid_input("{}.scale: must be positive", at);
    out[name] = t;
  }
  return out;
}

}  // namespace

Json Calibration::to_json() const {
  Json json = Json::object();
  json["format"] = kFormat;
  json["method"] = options.calibrator;
  json["percentile"] = options.percentile;
  json["samples"] = options.samples;
  json["dataset"] = options.data;
  json["split"] = options.split;
  json["weight_bits"] = weight_bits;
  json["exclude"] = options.exclude;
  json["tensors"] = {{"image", tensors_to_json(image)}, {"text", tensors_to_json(text)}};
  return json;
}

Calibration Calibration::read(const std::filesystem::path& file) {
  const Json json = read_json(file);
  const std::string where = file.string();
  const int format = json_get<int>(json, "format", where);
  if (format != kFormat)
    invalid_input("{}: format {} is not the one this build reads ({}); calibrate again", where, format,
                  kFormat);
  Calibration out;
  out.options.calibrator = json_get<std::string>(json, "method", where);
  out.options.percentile = json_get<double>(json, "percentile", where);
  out.options.samples = json_get<int>(json, "samples", where);
  out.options.data = json_get<std::string>(json, "dataset", where);
  out.options.split = json_get<std::string>(json, "split", where);
  out.weight_bits = json_get<int>(json, "weight_bits", where);
  if (out.weight_bits != 7 && out.weight_bits != 8) invalid_input("{}: weight_bits must be 7 or 8", where);
  const Json& exclude = json_at(json, "exclude", where);
  out.options.exclude.clear();
  if (!exclude.is_array()) json_type_error(exclude, "exclude", where, "a list of strings");
  for (const Json& part : exclude) {
    if (!part.is_string()) json_type_error(part, "exclude", where, "a list of strings");
    out.options.exclude.push_back(part.get<std::string>());
  }
  const Json& tensors = json_at(json, "tensors", where);
  out.image = tensors_from_json(json_at(tensors, "image", where + ": tensors"), where + ": tensors.image");
  out.text = tensors_from_json(json_at(tensors, "text", where + ": tensors"), where + ": tensors.text");
  return out;
}

const std::vector<std::string>& calibrators() {
  static const std::vector<std::string> names = {"minmax", "percentile", "entropy", "mse"};
  return names;
}

void check_calibrator(const std::string& name, const std::string& option) {
  const std::vector<std::string>& known = calibrators();
  if (std::find(known.begin(), known.end(), name) == known.end())
    invalid_input("{} {}: unknown{}", option, name, did_you_mean(name, known));
}

ActivationScale choose_scale(const Histogram& histogram, const CalibrationOptions& options) {
  Range range = histogram.percentile_range(options.calibrator == "percentile" ? options.percentile : 100);
  if (options.calibrator == "mse") range = histogram.least_error_range();
  if (options.calibrator == "entropy") range = histogram.entropy_range();
  return activation_scale(range.low, range.high);
}

namespace {

/// What goes into the quantizable MatMuls of one tower, whose graph is not optimized so that its values are
/// those of the ONNX file.
std::map<std::string, TensorCalibration> calibrate_tower(const std::filesystem::path& file,
                                                         const CalibrationSamples& samples,
                                                         const CalibrationOptions& options) {
  std::set<std::string> wanted;
  const ::onnx::ModelProto model = onnx_ir::read_model(file);
  require_scales_per_channel(model, file);  // before the minutes that follow
  for (const auto& matmul : find_quantizable(model, options.exclude))
    wanted.insert(matmul.activation);
  if (wanted.empty()) return {};
  return calibrate_graph(import_onnx(file), wanted, samples, options, file.string());
}

}  // namespace

Calibration calibrate(const Bundle& bundle, const CalibrationOptions& options, int weight_bits) {
  check_calibration_options(options);
  const auto dataset =
      std::make_shared<const Dataset>(open_dataset_with_images(options.data, options.image_root));
  const auto images = dataset_images(dataset, options, bundle.card.image, kCalibrationBatch);
  // The bundle's own tokenizer: the dataset may have been prepared with another.
  const auto texts = dataset_texts(dataset, options, load_tokenizer(bundle.tokenizer().string()),
                                   bundle.card.context_length);
  Calibration out;
  out.options = options;
  out.options.samples = static_cast<int>(images->samples());
  out.weight_bits = weight_bits;
  out.image = calibrate_tower(bundle.image_onnx(), *images, options);
  out.text = calibrate_tower(bundle.text_onnx(), *texts, options);
  if (out.image.empty() && out.text.empty())
    invalid_input("{}: no MatMul with a constant weight matrix is left to quantize; check the exclude list",
                  bundle.directory.string());
  return out;
}

}  // namespace edgeclip::builder
