#include "model/config/model_config.h"

namespace edgeclip {

namespace {

void require_positive(int value, const char* key, const std::string& where) {
  if (value <= 0) invalid_input("{}{}: must be positive, is {}", where, key, value);
}

template <class Tower>
void validate_tower(const Tower& tower, const std::string& where) {
  require_positive(tower.hidden_size, "hidden_size", where);
  require_positive(tower.num_hidden_layers, "num_hidden_layers", where);
  require_positive(tower.num_attention_heads, "num_attention_heads", where);
  if (tower.hidden_size % tower.num_attention_heads != 0)
    invalid_input("{}num_attention_heads: {} does not divide hidden_size {}", where,
                  tower.num_attention_heads, tower.hidden_size);
  const auto n = tower.intermediate_size.size();
  if (n != 1 && n != static_cast<std::size_t>(tower.num_hidden_layers))
    invalid_input("{}intermediate_size: has {} numbers; give one, or one per layer ({})", where, n,
                  tower.num_hidden_layers);
  for (const int size : tower.intermediate_size) require_positive(size, "intermediate_size", where);
}

}  // namespace

void ModelConfig::validate(const std::string& where) const {
  validate_tower(vision, where + "vision.");
  validate_tower(text, where + "text.");
  require_positive(projection_dim, "projection_dim", where);
  require_positive(vision.patch_size, "vision.patch_size", where);
  if (vision.image_height <= 0 || vision.image_width <= 0 || vision.image_height % vision.patch_size ||
      vision.image_width % vision.patch_size)
    invalid_input("{}vision.patch_size: {} does not divide the image {}x{} (height x width)", where,
                  vision.patch_size, vision.image_height, vision.image_width);
  if (text.max_position_embeddings < 2)
    invalid_input("{}text.max_position_embeddings: must be at least 2", where);
}

}  // namespace edgeclip
