#include <algorithm>

#include "base/error.h"
#include "model/import/source.h"

namespace edgeclip {

namespace {

bool fits(const Weights& weights) {
  return weights.contains("conv1.weight") && weights.contains("bn1.weight") &&
         weights.count_numbered("layer1.") > 0;
}

const std::vector<NameRule>& rules() {
  static const std::vector<NameRule> table = {
      {"conv1.@", "vision_model.conv1.@"},
      {"bn1.@", "vision_model.bn1.@"},
      {"layer#.@", "vision_model.layer#.@"},
      {"fc.@", "", Change::kIgnore},  // ImageNet's classes
  };
  return table;
}

/// BasicBlocks have two convolutions; wide ResNets and ResNeXt have other widths inside their blocks.
void require_bottlenecks(const Weights& weights) {
  const auto& names = weights.names();
  if (std::none_of(names.begin(), names.end(),
                   [](const auto& name) { return name.find(".conv3.") != name.npos; }))
    invalid_input(
        "{}: is a ResNet of BasicBlocks, as ResNet-18 and ResNet-34 are; only those of Bottleneck blocks are "
        "imported (ResNet-50, -101, -152)",
        weights.where());
  const int inner = weights.dim("layer1.0.conv1.weight", 4, 0),
            out = weights.dim("layer1.0.conv3.weight", 4, 0);
  if (out != 4 * inner)
    invalid_input(
        "{}: layer1.0 has {} channels inside and gives {}; ResNets with a fourth inside are imported, wide "
        "ResNets and ResNeXt are not",
        weights.where(), inner, out);
}

/// torchvision's ImageClassification preset, the transform of its first ImageNet weights.
ImageTransform imagenet_transform() {
  ImageTransform image;
  image.height = image.width = 224;
  image.resize = "shortest_crop";
  image.shortest = 256;
  image.filter = "bilinear";
  image.crop_rounding = "half_even";
  image.mean = {0.485, 0.456, 0.406};
  image.std = {0.229, 0.224, 0.225};
  return image;
}

/// Everything is in the names and shapes of the tensors.
ImportedModel describe(const Weights& weights, const Json&, const std::string&) {
  require_bottlenecks(weights);
  ImportedModel model;
  model.image = imagenet_transform();
  model.any_image_size = true;
  VisionConfig& v = model.config.vision;
  v.model_type = "resnet";
  v.image_height = model.image.height;
  v.image_width = model.image.width;
  v.embedding_size = weights.dim("conv1.weight", 4, 0);
  v.depths.clear();
  v.hidden_sizes.clear();
  const int stages = weights.count_numbered("layer");
  for (int stage = 1; stage <= stages; ++stage) {
    const std::string layer = fmt::format("layer{}.", stage);
    v.depths.push_back(weights.count_numbered(layer));
    v.hidden_sizes.push_back(weights.dim(layer + "0.conv3.weight", 4, 0));
  }
  return model;
}

}  // namespace

WeightSource torchvision_source() {
  return {"torchvision", "torchvision's ResNet", Towers::kImage, fits, rules, describe, {}};
}

}  // namespace edgeclip
