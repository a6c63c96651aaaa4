#pragma once

#include "model/config/model_config.h"
#include "model/towers/tower.h"

namespace edgeclip {

/// The registry of networks: a new one is a file beside these and a line there; its kind in
/// model/config/tower_kinds.cpp and its emission in export/emit_towers.cpp are a line each.
std::vector<std::string> image_tower_names();
std::vector<std::string> text_tower_names();

/// The tower of config.model_type.
std::shared_ptr<ImageTower> make_image_tower(const VisionConfig& config);
std::shared_ptr<TextTower> make_text_tower(const TextConfig& config);

}  // namespace edgeclip
