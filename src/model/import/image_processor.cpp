#include "model/import/image_processor.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "model/import/source.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// A class of transformers' image_processing_*.py with its defaults.
struct ProcessorClass {
  const char* name;
  const char* old_name;
  const char* resize;
  const char* filter;
  std::vector<double> mean, std;
};

const std::vector<ProcessorClass>& processor_classes() {
  static const std::vector<ProcessorClass> classes = {
      {"CLIPImageProcessor", "CLIPFeatureExtractor", "shortest_crop", "bicubic", ImageTransform().mean,
       ImageTransform().std},
      {"ViTImageProcessor", "ViTFeatureExtractor", "stretch", "bilinear", {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}};
  return classes;
}

/// Pillow's numbers; Hamming's filter is none of ours.
constexpr const char* kFilters[] = {"nearest", "lanczos", "bilinear", "bicubic", "box"};

// Keys that say nothing of the pixels, or what is always so here.
const std::set<std::string> kSilent = {
    "image_processor_type", "feature_extractor_type", "processor_class",  "auto_map",       "do_convert_rgb",
    "data_format",          "input_data_format",      "disable_grouping", "return_tensors", "device",
    "_valid_processor_keys"};
const std::set<std::string> kRead = {"do_resize",         "size",       "resample",     "do_center_crop",
                                     "crop_size",         "do_rescale", "do_normalize", "rescale_factor",
                                     "default_to_square", "image_mean", "image_std"};

ImageTransform class_defaults(const Json& json, const ImageTransform& usual, const std::string& where) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    auto type = value_or<std::string>(json, key, "", where);
    if (type.empty()) continue;
    for (const std::string backend : {"Fast", "Pil"})  // the same transform by other means
      if (type.size() > backend.size() &&
          type.compare(type.size() - backend.size(), backend.size(), backend) == 0)
        type.resize(type.size() - backend.size());
    for (const auto& known : processor_classes()) {
      if (type != known.name && type != known.old_name) continue;
      ImageTransform image;
      image.height = image.width = 224;
      image.resize = known.resize;
      image.filter = known.filter;
      image.mean = known.mean;
      image.std = known.std;
      return image;
    }
    invalid_input("{}: {}: \"{}\" is not computed (CLIPImageProcessor and ViTImageProcessor are)", where, key,
                  type);
  }
  return usual;
}

struct Size {
  int height = 0, width = 0;
  int shortest = 0;  ///< then the others are 0
};

/// A number, {"shortest_edge"}, or {"height", "width"}.  square: what a number means.
Size read_size(const Json& json, const char* key, bool square, const std::string& where) {
  const std::string at = where + ": " + key;
  if (json.is_number_integer() && integer_fits<int>(json)) {
    const int n = json.get<int>();
    return square ? Size{n, n, 0} : Size{0, 0, n};
  }
  if (!json.is_object()) invalid_input("{}: must be a number or an object, found {}", at, json_kind(json));
  Size size;
  for (const auto& [name, value] : json.items()) {
    if (value.is_null()) continue;
    if (name == "height")
      size.height = json_get<int>(json, "height", at);
    else if (name == "width")
      size.width = json_get<int>(json, "width", at);
    else if (name == "shortest_edge")
      size.shortest = json_get<int>(json, "shortest_edge", at);
    else
      invalid_input("{}: {} is not computed (shortest_edge, or height and width, are)", at, name);
  }
  if (size.shortest > 0 ? size.height != 0 || size.width != 0 : size.height <= 0 || size.width <= 0)
    invalid_input("{}: must be shortest_edge, or height and width, above 0", at);
  return size;
}

void read_geometry(const Json& json, ImageTransform& image, const std::string& where) {
  if (!value_or(json, "do_resize", true, where))
    invalid_input("{}: do_resize: false is not computed: a model's images are all of one size", where);
  const bool cropping = image.resize == "shortest_crop";
  const bool square = value_or(json, "default_to_square", !cropping, where);
  Size size = cropping ? Size{0, 0, image.shortest > 0 ? image.shortest : image.height}
                       : Size{image.height, image.width, 0};
  Size crop = {image.height, image.width, 0};
  if (json.contains("size") && !json.at("size").is_null())
    size = read_size(json.at("size"), "size", square, where);
  if (json.contains("crop_size") && !json.at("crop_size").is_null())
    crop = read_size(json.at("crop_size"), "crop_size", true, where);
  if (!value_or(json, "do_center_crop", cropping, where)) {
    if (size.shortest > 0)
      invalid_input("{}: size: shortest_edge without do_center_crop gives images of many sizes, not one",
                    where);
    crop = size;
  }
  if (crop.shortest > 0) invalid_input("{}: crop_size: must be height and width", where);
  if (size.shortest > 0 ? size.shortest < std::max(crop.height, crop.width)
                        : size.height != crop.height || size.width != crop.width)
    invalid_input(
        "{}: size: {} and then crop_size {} x {} (height x width) is not computed: {}", where,
        size.shortest > 0 ? fmt::format("shortest_edge {}", size.shortest)
                          : fmt::format("{} x {}", size.height, size.width),
        crop.height, crop.width,
        size.shortest > 0 ? "the crop would be larger than the image" : "a stretched image is not cropped");
  image.resize = size.shortest > 0 ? "shortest_crop" : "stretch";
  image.shortest = size.shortest == crop.height && size.shortest == crop.width ? 0 : size.shortest;
  image.height = crop.height;
  image.width = crop.width;
  image.crop_rounding = "floor";
}

std::vector<double> read_channels(const Json& json, const char* key, const std::vector<double>& usual,
                                  const std::string& where) {
  if (!json.contains(key) || json.at(key).is_null()) return usual;
  const Json& list = json.at(key);
  if (!list.is_array() || list.size() != 3 ||
      !std::all_of(list.begin(), list.end(), [](const Json& value) { return value.is_number(); }))
    invalid_input("{}: {}: must be three numbers (red, green, blue), is {}", where, key, list.dump());
  return list.get<std::vector<double>>();
}

void read_values(const Json& json, ImageTransform& image, const std::string& where) {
  const double factor = value_or(json, "rescale_factor", 1.0 / 255, where);
  if (!value_or(json, "do_rescale", true, where) || !(std::abs(factor * 255 - 1) < 1e-6))
    invalid_input("{}: {}: pixels are always divided by 255 here", where,
                  json.contains("do_rescale") && json["do_rescale"] == false
                      ? "do_rescale: false"
                      : fmt::format("rescale_factor: {}", factor));
  image.mean = read_channels(json, "image_mean", image.mean, where);
  image.std = read_channels(json, "image_std", image.std, where);
  if (value_or(json, "do_normalize", true, where)) return;
  image.mean = {0, 0, 0};
  image.std = {1, 1, 1};
}

/// What would change the pixels and is not known is refused where its name says so, else named.
void judge_other_keys(const Json& json, const std::string& where) {
  for (const auto& [key, value] : json.items()) {
    if (kSilent.count(key) || kRead.count(key) || value.is_null() || value == false) continue;
    if (key.rfind("do_", 0) == 0) invalid_input("{}: {}: {} is not computed", where, key, value.dump());
    spdlog::warn("{}: {}: {} is not known and left out", where, key, value.dump());
  }
}

}  // namespace

ImageProcessorFile find_image_processor(const fs::path& folder) {
  std::error_code error;
  const fs::path whole = folder / "processor_config.json", alone = folder / "preprocessor_config.json";
  if (fs::is_regular_file(whole, error)) {
    const Json json = read_json(whole);
    if (json.is_object() && json.contains("image_processor") && json.at("image_processor").is_object())
      return {json.at("image_processor"), whole.string() + ": image_processor"};
  }
  if (fs::is_regular_file(alone, error)) return {read_json(alone), alone.string()};
  return {};
}

ImageTransform read_image_processor(const ImageProcessorFile& file, const ImageTransform& usual) {
  const Json& json = file.json;
  const std::string& where = file.where;
  if (!json.is_object()) invalid_input("{}: must be an object, found {}", where, json_kind(json));
  ImageTransform image = class_defaults(json, usual, where);
  judge_other_keys(json, where);
  read_geometry(json, image, where);
  read_values(json, image, where);
  if (json.contains("resample") && !json.at("resample").is_null()) {
    const int number = json_get<int>(json, "resample", where);
    if (number < 0 || number >= static_cast<int>(std::size(kFilters)))
      invalid_input(
          "{}: resample: {} is not computed (0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box are)", where,
          number);
    image.filter = kFilters[number];
  }
  image.validate(where + ": ");
  return image;
}

}  // namespace edgeclip
