#pragma once

#include <string>
#include <vector>

#include "model/config/text_config.h"
#include "model/config/vision_config.h"

/// The kinds of towers as far as configurations go: what follows from model_type beside the keys.
namespace edgeclip {

struct VisionKind {
  const char* name;                        ///< model_type
  std::vector<const char*> poolings;       ///< what VisionConfig::pooling may be; none: there is no choice
  int (*width)(const VisionConfig&);       ///< of what the tower gives to its projection head
  double (*weights)(const VisionConfig&);  ///< values of its matrices
  void (*validate)(const VisionConfig&,
                   const std::string& where);  ///< throws InvalidInput; beside the image's size
};

struct TextKind {
  const char* name;
  std::vector<const char*> poolings;
  std::string TextConfig::*pooling;  ///< the field that the key "pooling" is
  bool masks_padding;  ///< pad_token_id must then be the tokenizer's, and stand for nothing else
  std::string (*activation)(const TextConfig&);
  double (*norm_eps)(const TextConfig&);
};

/// The row of a model_type, which must be a known one.
const VisionKind& vision_kind(const std::string& model_type);
const TextKind& text_kind(const std::string& model_type);

std::vector<std::string> vision_kind_names();
std::vector<std::string> text_kind_names();

/// Throws InvalidInput for sizes that no transformer has.
template <class TowerConfig>
void validate_transformer(const TowerConfig& tower, const std::string& where);
/// Values of its blocks' matrices.
template <class TowerConfig>
double transformer_weights(const TowerConfig& tower);

}  // namespace edgeclip
