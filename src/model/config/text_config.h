#pragma once

#include <string>
#include <vector>

#include "base/options.h"

namespace edgeclip {

/// A text tower.  Which fields there are follows model_type; the names are those of Hugging Face's
/// CLIPTextConfig, for DistilBERT too (dim, n_layers, n_heads and hidden_dim there).
struct TextConfig {
  std::string model_type = "clip_text";  ///< "clip_text" | "distilbert"
  int vocab_size = 2000;
  int hidden_size = 192;
  int num_hidden_layers = 4;
  int num_attention_heads = 3;
  std::vector<int> layer_heads;  ///< heads that each layer has, where heads were cut; none: num_attention_heads
  std::vector<int> intermediate_size = {768};
  int max_position_embeddings = 64;  ///< context length
  int bos_token_id = 2, eos_token_id = 3, pad_token_id = 0;

  // clip_text
  std::string hidden_act = "quick_gelu";
  double layer_norm_eps = 1e-5;
  std::string end_pooling = "first_end";  ///< key "pooling"

  // distilbert; BERT's activation and epsilon
  std::string mask_pooling = "cls";  ///< key "pooling"
  double dropout = 0.1, attention_dropout = 0.1;

  template <class Visitor>
  void fields(Visitor& v) {
    v("model_type", model_type, "text tower: CLIP's causal transformer, or DistilBERT (with dropouts)",
      {"clip_text", "distilbert"});
    v("vocab_size", vocab_size, "number of token ids (set from the tokenizer when training starts)");
    v("hidden_size", hidden_size, "width");
    v("num_hidden_layers", num_hidden_layers, "transformer blocks");
    v("num_attention_heads", num_attention_heads, "heads; divides hidden_size");
    v.unless({}, "layer_heads", layer_heads,
             "heads of each layer, where it has fewer: each stays hidden_size / num_attention_heads wide");
    v("intermediate_size", intermediate_size, "MLP neurons: one number for all layers, or one per layer");
    v("max_position_embeddings", max_position_embeddings, "context length, tokens");
    if (model_type == "distilbert") {
      v("pooling", mask_pooling, "the first token, or the mean of all but padding", {"cls", "mean"});
      v("dropout", dropout, "of embeddings and MLP, in training");
      v("attention_dropout", attention_dropout, "of attention weights, in training");
    } else {
      v("hidden_act", hidden_act, "activation of the MLP", {"gelu", "quick_gelu"});
      v("layer_norm_eps", layer_norm_eps, "epsilon of LayerNorm");
      v("pooling", end_pooling,
        "where the text ends: at the first eos_token_id (Hugging Face), or at the largest id (OpenAI)",
        {"first_end", "largest_id"});
    }
    v("bos_token_id", bos_token_id, "first token");
    v("eos_token_id", eos_token_id, "last token");
    v("pad_token_id", pad_token_id, "padding");
  }

  std::string activation() const;  ///< of the MLP
  double norm_eps() const;         ///< of LayerNorm
  /// Throws InvalidInput; where: prefix of the key's name.
  void validate(const std::string& where) const;
};

}  // namespace edgeclip
