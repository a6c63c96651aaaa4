#pragma once

#include <string>
#include <vector>

#include "base/options.h"

namespace edgeclip {

/// An image tower.  Which fields there are follows model_type; the names are those of Hugging Face's
/// CLIPVisionConfig and ResNetConfig.
struct VisionConfig {
  std::string model_type = "vit";           ///< "vit" | "resnet"
  int image_height = 96, image_width = 48;  ///< pixels

  // vit
  int hidden_size = 192;  ///< width W
  int num_hidden_layers = 6;
  int num_attention_heads = 3;  ///< W / heads = head width
  std::vector<int> layer_heads;  ///< heads that each layer has, where heads were cut; none: num_attention_heads
  std::vector<int> intermediate_size = {
      768};  ///< neurons of the MLP: one for all layers, or one per layer (pruned)
  int patch_size = 8;
  std::string hidden_act = "quick_gelu";
  double layer_norm_eps = 1e-5;
  std::string pooling = "class";
  std::vector<int> token_merging;      ///< tokens merged in each layer (token_merging.h); none: none
  bool proportional_attention = true;  ///< scores of a key rise by the logarithm of the tokens in it

  // resnet: torchvision's Bottleneck blocks (1x1, 3x3, 1x1); the defaults are ResNet-50's
  std::vector<int> depths = {3, 4, 6, 3};                  ///< blocks per stage
  std::vector<int> hidden_sizes = {256, 512, 1024, 2048};  ///< channels that leave each stage
  int embedding_size = 64;                                 ///< channels of the stem
  std::vector<int> inner_sizes;  ///< channels behind the 1x1 and the 3x3 of each block, two numbers a block; none: a quarter of its stage's
  bool first_shortcut = false;   ///< the first block has a convolution as its shortcut though sizes do not ask for one

  template <class Visitor>
  void fields(Visitor& v) {
    v("model_type", model_type,
      "image tower; resnet has depths, hidden_sizes and embedding_size instead of a transformer's sizes",
      {"vit", "resnet"});
    v("image_height", image_height, "pixels; of a vit a multiple of patch_size");
    v("image_width", image_width, "pixels; of a vit a multiple of patch_size");
    if (model_type == "resnet") {
      v("depths", depths, "bottleneck blocks of each stage");
      v("hidden_sizes", hidden_sizes, "channels that leave each stage, multiples of 4 unless inner_sizes are given");
      v("embedding_size", embedding_size, "channels of the stem");
      v.unless({}, "inner_sizes", inner_sizes,
               "channels behind the 1x1 and the 3x3 convolution of each block, two numbers a block; else a quarter of the stage's");
      v.unless(false, "first_shortcut", first_shortcut,
               "the first block has a convolution as its shortcut, though its sizes do not ask for one");
      return;
    }
    v("hidden_size", hidden_size, "width");
    v("num_hidden_layers", num_hidden_layers, "transformer blocks");
    v("num_attention_heads", num_attention_heads, "heads; divides hidden_size");
    v.unless({}, "layer_heads", layer_heads,
             "heads of each layer, where it has fewer: each stays hidden_size / num_attention_heads wide");
    v("intermediate_size", intermediate_size, "MLP neurons: one number for all layers, or one per layer");
    v("patch_size", patch_size, "pixels");
    v("hidden_act", hidden_act, "activation of the MLP", {"gelu", "quick_gelu"});
    v("layer_norm_eps", layer_norm_eps, "epsilon of LayerNorm");
    v("pooling", pooling, "the class token, or the mean of the patches (open_clip's pool_type avg)",
      {"class", "mean"});
    v.unless({}, "token_merging", token_merging,
             "tokens that become one with another behind the attention of each layer: one number for all layers, or one per "
             "layer (the last one merges none if the class token is pooled)");
    v.unless(true, "proportional_attention", proportional_attention,
             "where tokens are merged: a key counts as often as there are tokens in it");
  }

  /// Width of what the tower gives to its projection head.
  int width() const;
  /// Throws InvalidInput; where: prefix of the key's name.
  void validate(const std::string& where) const;
};

}  // namespace edgeclip
