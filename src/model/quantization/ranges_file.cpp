#include "model/quantization/ranges_file.h"

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace edgeclip {

namespace {

constexpr int kRangesFormat = 1;

}  // namespace

void QuantizationRanges::write(const std::filesystem::path& file) const {
  Json json = Json::object();
  json["format"] = kRangesFormat;
  json["weight_bits"] = weight_bits;
  json["exclude"] = exclude;
  json["data"] = data;
  json["split"] = split;
  json["samples"] = samples;
  json["weights"] = weights;
  json["layers"] = Json::object();
  for (const auto& [name, range] : layers) json["layers"][name] = {range.low, range.high};
  write_json(file, json);
}

QuantizationRanges QuantizationRanges::read(const std::filesystem::path& file) {
  const std::string where = file.string();
  const Json json = read_json(file);
  if (const int format = json_get<int>(json, "format", where); format != kRangesFormat)
    invalid_input("{}: has format {}, this build reads {}; train again", where, format, kRangesFormat);
  QuantizationRanges out;
  out.weight_bits = json_get<int>(json, "weight_bits", where);
  if (out.weight_bits != 7 && out.weight_bits != 8) invalid_input("{}: weight_bits: must be 7 or 8", where);
  out.exclude = json_get<std::vector<std::string>>(json, "exclude", where);
  out.data = json_get<std::string>(json, "data", where);
  out.split = json_get<std::string>(json, "split", where);
  out.samples = json_get<std::int64_t>(json, "samples", where);
  out.weights = json_get<std::string>(json, "weights", where);
  const Json& layers = json_at(json, "layers", where);
  if (!layers.is_object()) invalid_input("{}: layers: expected an object, found {}", where, json_kind(layers));
  for (const auto& [name, range] : layers.items()) {
    const bool two = range.is_array() && range.size() == 2 && range[0].is_number() && range[1].is_number();
    if (!two || !(range[0].get<double>() <= range[1].get<double>()))
      invalid_input("{}: layers.{}: must be least and most, is {}; train again", where, name, range.dump());
    out.layers[name] = {range[0].get<double>(), range[1].get<double>()};
  }
  return out;
}

}  // namespace edgeclip
