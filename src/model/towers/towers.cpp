#include "model/towers/towers.h"

#include "base/registry.h"
#include "model/towers/clip_text.h"
#include "model/towers/distilbert.h"
#include "model/towers/resnet.h"
#include "model/towers/vit.h"

namespace edgeclip {

namespace {

struct ImageNetwork {
  const char* name;  ///< model_type
  std::shared_ptr<ImageTower> (*build)(const VisionConfig&);
};

struct TextNetwork {
  const char* name;
  std::shared_ptr<TextTower> (*build)(const TextConfig&);
};

template <class Tower>
std::shared_ptr<ImageTower> image_tower(const VisionConfig& config) {
  return std::make_shared<Tower>(config);
}
template <class Tower>
std::shared_ptr<TextTower> text_tower(const TextConfig& config) {
  return std::make_shared<Tower>(config);
}

constexpr ImageNetwork kImageNetworks[] = {{"vit", image_tower<VisionTransformer>},
                                           {"resnet", image_tower<ResNet>}};
constexpr TextNetwork kTextNetworks[] = {{"clip_text", text_tower<ClipTextTower>},
                                         {"distilbert", text_tower<DistilBertTower>}};

}  // namespace

std::vector<std::string> image_tower_names() { return row_names(kImageNetworks); }
std::vector<std::string> text_tower_names() { return row_names(kTextNetworks); }

std::shared_ptr<ImageTower> make_image_tower(const VisionConfig& config) {
  return named_row(kImageNetworks, config.model_type).build(config);
}
std::shared_ptr<TextTower> make_text_tower(const TextConfig& config) {
  return named_row(kTextNetworks, config.model_type).build(config);
}

}  // namespace edgeclip
