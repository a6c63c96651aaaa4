#include "builder/quantize/calibration.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/progress.h"
#include "base/signals.h"
#include "builder/import/onnx_import.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/quantize.h"
#include "data/dataset/dataset.h"
#include "data/dataset/loader.h"
#include "engine/runtime/session.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {

using namespace engine;
namespace {

constexpr int kFormat = 1;
constexpr std::int64_t kBatch = 8;

/// One tower, not optimized, so that its values are those of the ONNX file; histograms of what goes into its
/// MatMuls.
class TowerObserver {
 public:
  TowerObserver(const std::filesystem::path& file, const std::vector<std::string>& exclude)
      : file_(file), session_(import_onnx(file), session_options()), context_(session_) {
    for (const auto& matmul : find_quantizable(onnx_ir::read_model(file), exclude))
      wanted_.insert(matmul.activation);
    context_.set_observer([this](const NodeRun& run) {
      if (run.node.is("MatMul")) observe(session_.graph().value(run.node.inputs[0]).name, run.inputs[0]);
    });
  }

  /// Whether there is anything to quantize.
  bool wanted() const { return !wanted_.empty(); }

  void run(const TensorView& input) {
    if (!wanted()) return;
    seen_.clear();
    context_.run({input});
  }

  std::map<std::string, TensorCalibration> calibrations(const CalibrationOptions& options) const {
    std::map<std::string, TensorCalibration> out;
    for (const auto& [name, histogram] : histograms_)
      out[name] = {choose_scale(histogram, options), histogram.min(), histogram.max()};
    return out;
  }

 private:
  static SessionOptions session_options() {
    SessionOptions options;
    options.memory_pool_mb = 1 << 14;  // this runs on a workstation; the arena takes what it needs of it
    options.log = silent_log();
    return options;
  }
  void observe(const std::string& name, const TensorView& values) {
    if (!wanted_.count(name) || !seen_.insert(name).second)
      return;  // several products may read one activation
    histograms_[name].add(values.as<float>(), values.elements(), file_.string() + ": value \"" + name + "\"");
  }

  const std::filesystem::path file_;
  Session session_;
  Context context_;
  std::set<std::string> wanted_, seen_;
  std::map<std::string, Histogram> histograms_;
};

/// `count` of n indices, evenly spread, in order.
std::vector<std::int64_t> spread(std::int64_t n, std::int64_t count) {
  count = std::min(n, count);
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(i * n / count);
  return out;
}

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
  json["method"] = options.range;
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
  out.options.range = json_get<std::string>(json, "method", where);
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

ActivationScale choose_scale(const Histogram& histogram, const CalibrationOptions& options) {
  const Range range =
      options.range == "mse" ? histogram.least_error_range() : histogram.percentile_range(options.percentile);
  return activation_scale(range.low, range.high);
}

/// A part that is in no name would leave nothing out.  The usual parts are those of our own exports.
static void require_exclusions(const Bundle& bundle, const std::vector<std::string>& exclude) {
  const std::vector<std::string> usual = QuantizeOptions().exclude;
  for (const std::string& part : exclude) {
    if (part.empty() || std::find(usual.begin(), usual.end(), part) != usual.end()) continue;
    bool found = false;
    for (const auto& file : {bundle.image_onnx(), bundle.text_onnx()}) {
      const auto model = onnx_ir::read_model(file);
      found = found || find_quantizable(model, {part}).size() < find_quantizable(model, {}).size();
    }
    if (!found)
      invalid_input("--exclude {}: is in the name of no node or weight of {} that would be quantized", part,
                    bundle.directory.string());
  }
}

Calibration calibrate(const Bundle& bundle, const CalibrationOptions& options, int weight_bits) {
  if (options.samples < 1) invalid_input("--samples {}: at least 1 is needed", options.samples);
  if (!(options.percentile > 50 && options.percentile <= 100))
    invalid_input("--percentile {}: must be above 50 and at most 100 (min/max)", options.percentile);
  require_exclusions(bundle, options.exclude);
  const Dataset dataset = open_dataset_with_images(options.data, options.image_root);
  const auto split = dataset.split(options.split);
  const auto chosen = spread(static_cast<std::int64_t>(split.size()), options.samples);

  TowerObserver image(bundle.image_onnx(), options.exclude), text(bundle.text_onnx(), options.exclude);
  if (!image.wanted() && !text.wanted())
    invalid_input("{}: no MatMul with a constant weight matrix is left to quantize; check the exclude list",
                  bundle.directory.string());
  // The bundle's own tokenizer: the dataset may have been prepared with another.
  const auto tokenizer = load_tokenizer(bundle.tokenizer().string());
  const auto count = static_cast<std::int64_t>(chosen.size());
  Progress progress("calibrate", count, "samples");
  for (std::int64_t begin = 0; begin < count; begin += kBatch) {
    throw_if_interrupted();
    std::vector<std::filesystem::path> paths;
    std::vector<std::string> captions;
    for (std::int64_t i = begin; i < std::min(begin + kBatch, count); ++i) {
      const auto& item = dataset.images.at(
          static_cast<std::size_t>(split[static_cast<std::size_t>(chosen[static_cast<std::size_t>(i)])]));
      paths.push_back(dataset.image_path(item.path));
      const auto row = item.rows.at(static_cast<std::size_t>(i) % item.rows.size());
      captions.push_back(dataset.pairs.at(static_cast<std::size_t>(row)).caption);
    }
    image.run(load_pixels(paths, bundle.card.image).view());
    text.run(tokenizer->encode_batch(captions, bundle.card.context_length).view());
    progress.advance(static_cast<std::int64_t>(paths.size()));
  }

  Calibration out;
  out.options = options;
  out.options.samples = static_cast<int>(count);
  out.weight_bits = weight_bits;
  out.image = image.calibrations(options);
  out.text = text.calibrations(options);
  return out;
}

}  // namespace edgeclip::builder
