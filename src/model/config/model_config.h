#pragma once

#include <string>
#include <vector>

#include "base/options.h"

/// Architectures as option structs; no LibTorch, so that anything may describe a model.
namespace edgeclip {

struct VisionConfig {
  int hidden_size = 192;  ///< width W
  int num_hidden_layers = 6;
  int num_attention_heads = 3;  ///< W / heads = head width
  std::vector<int> intermediate_size = {
      768};  ///< neurons of the MLP: one for all layers, or one per layer (pruned)
  int image_height = 96, image_width = 48;  ///< pixels
  int patch_size = 8;
  std::string hidden_act = "quick_gelu";
  double layer_norm_eps = 1e-5;

  template <class Visitor>
  void fields(Visitor& v) {
    v("hidden_size", hidden_size, "width");
    v("num_hidden_layers", num_hidden_layers, "transformer blocks");
    v("num_attention_heads", num_attention_heads, "heads; divides hidden_size");
    v("intermediate_size", intermediate_size, "MLP neurons: one number for all layers, or one per layer");
    v("image_height", image_height, "pixels; a multiple of patch_size");
    v("image_width", image_width, "pixels; a multiple of patch_size");
    v("patch_size", patch_size, "pixels");
    v("hidden_act", hidden_act, "activation of the MLP", {"gelu", "quick_gelu"});
    v("layer_norm_eps", layer_norm_eps, "epsilon of LayerNorm");
  }
};

struct TextConfig {
  int vocab_size = 2000;
  int hidden_size = 192;
  int num_hidden_layers = 4;
  int num_attention_heads = 3;
  std::vector<int> intermediate_size = {768};
  int max_position_embeddings = 64;  ///< context length
  std::string hidden_act = "quick_gelu";
  double layer_norm_eps = 1e-5;
  int bos_token_id = 2, eos_token_id = 3, pad_token_id = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    v("vocab_size", vocab_size, "number of token ids (set from the tokenizer when training starts)");
    v("hidden_size", hidden_size, "width");
    v("num_hidden_layers", num_hidden_layers, "transformer blocks");
    v("num_attention_heads", num_attention_heads, "heads; divides hidden_size");
    v("intermediate_size", intermediate_size, "MLP neurons: one number for all layers, or one per layer");
    v("max_position_embeddings", max_position_embeddings, "context length, tokens");
    v("hidden_act", hidden_act, "activation of the MLP", {"gelu", "quick_gelu"});
    v("layer_norm_eps", layer_norm_eps, "epsilon of LayerNorm");
    v("bos_token_id", bos_token_id, "first token");
    v("eos_token_id", eos_token_id, "last token: its first occurrence is pooled");
    v("pad_token_id", pad_token_id, "padding");
  }
};

struct ModelConfig {
  VisionConfig vision;
  TextConfig text;
  int projection_dim = 128;          ///< D
  double logit_scale_init = 2.6592;  ///< ln(1 / 0.07)

  template <class Visitor>
  void fields(Visitor& v) {
    v("vision", vision, "image tower");
    v("text", text, "text tower");
    v("projection_dim", projection_dim, "embedding width D");
    v("logit_scale_init", logit_scale_init,
      "initial logit scale (natural logarithm of the temperature's inverse)");
  }
  /// Throws InvalidInput: heads must divide widths, patches the image, lists match the layers.
  void validate(const std::string& where) const;
};

/// Neurons of layer i.
inline int intermediate_of(const std::vector<int>& sizes, int layer) {
  return sizes.size() == 1 ? sizes[0] : sizes.at(static_cast<std::size_t>(layer));
}

}  // namespace edgeclip
