#pragma once

#include "model/config/model_config.h"
#include "model/towers/tower.h"

namespace edgeclip {

/// The tower of config.model_type.  A new one is a file beside these and a line there.
std::shared_ptr<ImageTower> make_image_tower(const VisionConfig& config);
std::shared_ptr<TextTower> make_text_tower(const TextConfig& config);

}  // namespace edgeclip
