#include <algorithm>

#include "base/error.h"
#include "model/import/source.h"

namespace edgeclip {

namespace {

constexpr const char* kWords = "embeddings.word_embeddings.weight";
// Of bert-base-uncased's vocabulary, which DistilBERT has too.
constexpr int kCls = 101, kSep = 102;

/// All of transformers' BERTs have it; describe() refuses those that are none of ours by their model_type.
bool fits(const Weights& weights) {
  const std::string end = kWords;
  return std::any_of(weights.names().begin(), weights.names().end(), [&](const auto& name) {
    return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
  });
}

const std::vector<NameRule>& rules() {
  static const std::vector<NameRule> table = {
      {"embeddings.position_ids", "", Change::kIgnore},
      {"distilbert.embeddings.position_ids", "", Change::kIgnore},
      {"embeddings.@", "text_model.embeddings.@"},
      {"transformer.@", "text_model.transformer.@"},
      {"distilbert.@", "text_model.@"},
      // Heads of what the model was trained for: masked words, classes, answers.
      {"vocab_transform.@", "", Change::kIgnore},
      {"vocab_layer_norm.@", "", Change::kIgnore},
      {"vocab_projector.@", "", Change::kIgnore},
      {"pre_classifier.@", "", Change::kIgnore},
      {"classifier.@", "", Change::kIgnore},
      {"qa_outputs.@", "", Change::kIgnore},
  };
  return table;
}

ImportedModel describe(const Weights& weights, const Json& config, const std::string& where) {
  if (config.is_null())
    invalid_input("{}: needs the config.json of its Hugging Face folder beside it", weights.where());
  const auto type = value_or<std::string>(config, "model_type", "", where);
  if (type != "distilbert")
    invalid_input("{}: model_type: \"{}\" is not imported; of transformers' text models \"distilbert\" is",
                  where, type);
  if (const auto activation = value_or<std::string>(config, "activation", "gelu", where);
      activation != "gelu")
    invalid_input("{}: activation: \"{}\" is not computed (gelu is)", where, activation);
  ImportedModel model;
  model.ends_of_tokenizer = true;
  TextConfig& t = model.config.text;
  t.model_type = "distilbert";
  t.vocab_size = value_or(config, "vocab_size", 30522, where);
  t.hidden_size = value_or(config, "dim", 768, where);
  t.num_hidden_layers = value_or(config, "n_layers", 6, where);
  t.num_attention_heads = value_or(config, "n_heads", 12, where);
  t.intermediate_size = {value_or(config, "hidden_dim", 3072, where)};
  t.max_position_embeddings = value_or(config, "max_position_embeddings", 512, where);
  t.dropout = value_or(config, "dropout", 0.1, where);
  t.attention_dropout = value_or(config, "attention_dropout", 0.1, where);
  t.pad_token_id = value_or(config, "pad_token_id", 0, where);
  t.bos_token_id = kCls;
  t.eos_token_id = kSep;
  return model;
}

}  // namespace

WeightSource distilbert_source() {
  return {"distilbert",   "transformers' DistilBertModel", Towers::kText, fits, rules, describe,
          {"config.json"}};
}

}  // namespace edgeclip
