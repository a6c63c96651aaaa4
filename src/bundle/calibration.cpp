#include "bundle/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/nearest.h"

namespace edgeclip {

const std::vector<std::string>& calibrators() {
  static const std::vector<std::string> names = {"minmax", "percentile", "entropy", "mse"};
  return names;
}

void check_calibrator(const std::string& name, const std::string& option) {
  const std::vector<std::string>& known = calibrators();
  if (std::find(known.begin(), known.end(), name) == known.end())
    invalid_input("{} {}: unknown{}", option, name, did_you_mean(name, known));
}

void check_calibration_options(const CalibrationOptions& options, const std::string& file) {
  const auto named = [&](const char* option, const char* key) { return file.empty() ? std::string(option) : file + key; };
  if (options.samples < 1) invalid_input("{} {}: at least 1 is needed", named("--samples", "samples"), options.samples);
  if (file.empty() || options.calibrator != kTrainedRanges) check_calibrator(options.calibrator, named("--calibrator", "method"));
  if (!(options.percentile > 50 && options.percentile <= 100))
    invalid_input("{} {}: must be above 50 and at most 100 (min/max)", named("--percentile", "percentile"), options.percentile);
}

namespace {

constexpr int kFormat = 1,
              kFormatOfSmooth = 2;  ///< 2: the ranges hold behind factors, which older builds do not know

/// Short, and the same number when it is read.
Json numbers_to_json(const std::vector<float>& values) {
  Json out = Json::array();
  for (const float value : values) out.push_back(std::stod(fmt::format("{}", value)));
  return out;
}

/// Of a key that may be missing; least: all of them are above it.
std::vector<float> numbers_from_json(const Json& entry, const char* key, const std::string& at,
                                     double least) {
  std::vector<float> out;
  if (!entry.contains(key)) return out;
  if (!entry[key].is_array()) json_type_error(entry[key], key, at, "a list of numbers");
  for (const Json& number : entry[key]) {
    if (!number.is_number()) json_type_error(number, key, at, "a list of numbers");
    out.push_back(number.get<float>());
    if (!std::isfinite(out.back()) || !(static_cast<double>(out.back()) > least))
      invalid_input("{}.{}: holds {}; calibrate again", at, key, number.dump());
  }
  return out;
}

using Tensors = std::map<std::string, TensorCalibration>;

Json tensors_to_json(const Tensors& tensors) {
  Json out = Json::object();
  for (const auto& [name, t] : tensors) {
    out[name] = {
        {"scale", t.scale.scale}, {"zero_point", t.scale.zero_point}, {"min", t.min}, {"max", t.max}};
    if (!t.smooth.empty()) out[name]["smooth"] = numbers_to_json(t.smooth);
    if (!t.mean.empty()) out[name]["mean"] = numbers_to_json(t.mean);
  }
  return out;
}

Tensors tensors_from_json(const Json& tensors, const std::string& where) {
  if (!tensors.is_object()) invalid_input("{}: expected an object, found {}", where, json_kind(tensors));
  Tensors out;
  for (const auto& [name, entry] : tensors.items()) {
    const std::string at = where + "." + name;
    TensorCalibration t;
    t.scale.scale = static_cast<float>(json_get<double>(entry, "scale", at));
    t.scale.zero_point = json_get<std::uint8_t>(entry, "zero_point", at);
    t.min = json_get<double>(entry, "min", at);
    t.max = json_get<double>(entry, "max", at);
    if (!(t.scale.scale > 0) || !std::isfinite(t.scale.scale))
      invalid_input("{}.scale: must be positive", at);
    if (t.min > t.max) invalid_input("{}: min {} is above max {}; calibrate again", at, t.min, t.max);
    t.smooth = numbers_from_json(entry, "smooth", at, 0);
    t.mean = numbers_from_json(entry, "mean", at, -std::numeric_limits<double>::infinity());
    out[name] = t;
  }
  return out;
}

}  // namespace

Json Calibration::to_json() const {
  Json json = Json::object();
  const auto is_smooth = [](const Tensors& tensors) {
    return std::any_of(tensors.begin(), tensors.end(),
                       [](const auto& tensor) { return !tensor.second.smooth.empty(); });
  };
  json["format"] = is_smooth(image) || is_smooth(text) ? kFormatOfSmooth : kFormat;
  json["method"] = options.calibrator;
  json["percentile"] = options.percentile;
  json["samples"] = options.samples;
  json["dataset"] = options.data;
  json["split"] = options.split;
  json["weight_bits"] = weight_bits;
  json["exclude"] = options.exclude;
  json["smooth"] = options.smooth;
  json["bias_correction"] = options.bias_correction;
  json["tensors"] = {{"image", tensors_to_json(image)}, {"text", tensors_to_json(text)}};
  return json;
}

Calibration Calibration::read(const std::filesystem::path& file) {
  const Json json = read_json(file);
  const std::string where = file.string();
  const int format = json_get<int>(json, "format", where);
  if (format != kFormat && format != kFormatOfSmooth)
    invalid_input("{}: format {} is none that this build reads ({} and {}); calibrate again", where, format,
                  kFormat, kFormatOfSmooth);
  Calibration out;
  out.options.calibrator = json_get<std::string>(json, "method", where);
  out.options.percentile = json_get<double>(json, "percentile", where);
  out.options.samples = json_get<int>(json, "samples", where);
  out.options.data = json_get<std::string>(json, "dataset", where);
  out.options.split = json_get<std::string>(json, "split", where);
  check_calibration_options(out.options, where + ": ");
  // Of files of format 1 without them.
  if (json.contains("smooth")) out.options.smooth = json_get<double>(json, "smooth", where);
  if (json.contains("bias_correction"))
    out.options.bias_correction = json_get<bool>(json, "bias_correction", where);
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

}  // namespace edgeclip
