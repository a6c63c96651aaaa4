#include "model/towers/towers.h"

#include "model/towers/clip_text.h"
#include "model/towers/distilbert.h"
#include "model/towers/resnet.h"
#include "model/towers/vit.h"

namespace edgeclip {

std::shared_ptr<ImageTower> make_image_tower(const VisionConfig& config) {
  if (config.is_vit()) return std::make_shared<VisionTransformer>(config);
  return std::make_shared<ResNet>(config);
}

std::shared_ptr<TextTower> make_text_tower(const TextConfig& config) {
  if (config.is_distilbert()) return std::make_shared<DistilBertTower>(config);
  return std::make_shared<ClipTextTower>(config);
}

}  // namespace edgeclip
