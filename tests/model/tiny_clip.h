#pragma once

#include "base/json.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "model/checkpoint.h"
#include "model/towers/clip_text.h"
#include "model/towers/vit.h"
#include "support/support.h"

/// The golden model of tests/golden/tiny_clip.
namespace edgeclip::test {

template <class Tower>
void read_tower(const Json& json, Tower& tower) {
  tower.hidden_size = json["hidden_size"];
  tower.num_hidden_layers = json["num_hidden_layers"];
  tower.num_attention_heads = json["num_attention_heads"];
  tower.intermediate_size = {json["intermediate_size"].get<int>()};
  tower.hidden_act = json["hidden_act"];
  tower.layer_norm_eps = json["layer_norm_eps"];
}

inline ModelConfig tiny_config() {
  const Json json = read_json(golden("tiny_clip/config.json"));
  ModelConfig config;
  config.projection_dim = json["projection_dim"];
  const Json& vision = json["vision_config"];
  read_tower(vision, config.vision);
  config.vision.image_height = config.vision.image_width = vision["image_size"];
  config.vision.patch_size = vision["patch_size"];
  const Json& text = json["text_config"];
  read_tower(text, config.text);
  config.text.vocab_size = text["vocab_size"];
  config.text.max_position_embeddings = text["max_position_embeddings"];
  config.text.bos_token_id = text["bos_token_id"];
  config.text.eos_token_id = text["eos_token_id"];
  config.text.pad_token_id = text["pad_token_id"];
  return config;
}

inline DualEncoder tiny_model() {
  DualEncoder model(tiny_config());
  load_weights(model, golden("tiny_clip/model.safetensors"));
  model->eval();
  return model;
}

inline torch::Tensor tiny_pixels() {
  return from_tensor(read_npy(golden("tiny_clip/pixel_values.npy")).view());
}
inline torch::Tensor tiny_ids() {
  return from_tensor(read_npy(golden("tiny_clip/input_ids.npy")).view()).to(torch::kLong);
}

inline torch::Tensor tensor_of(const SafetensorsFile& file, const std::string& name) {
  return from_tensor(file.get(name).view());
}

inline double max_difference(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  return a.numel() == 0 ? 0 : (a - b).abs().max().item<double>();
}

/// Every output of the file that the model computes too; loss is the mean of both cross-entropies.
inline void expect_outputs(DualEncoder& model, const std::filesystem::path& file, double tolerance) {
  const torch::NoGradGuard no_grad;
  const SafetensorsFile expected(file);
  std::vector<torch::Tensor> vision_hidden, text_hidden;
  std::map<std::string, torch::Tensor> actual;
  const torch::Tensor image_pooled = actual["image_pooled"] =
      model->vision_model->forward(tiny_pixels(), ComputeType::f32, &vision_hidden);
  const torch::Tensor text_pooled = actual["text_pooled"] =
      model->text_model->forward(tiny_ids(), ComputeType::f32, &text_hidden);
  actual["image_projected"] = model->project_image(tiny_pixels());
  actual["text_projected"] = model->project_text(tiny_ids());
  const torch::Tensor image = actual["image_embeds"] = model->encode_image(tiny_pixels());
  const torch::Tensor text = actual["text_embeds"] = model->encode_text(tiny_ids());
  const torch::Tensor logits = actual["logits_per_image"] =
      torch::matmul(image, text.t()) * model->logit_scale.exp();
  const torch::Tensor labels = torch::arange(logits.size(0));
  actual["loss"] =
      ((torch::cross_entropy_loss(logits, labels) + torch::cross_entropy_loss(logits.t(), labels)) / 2)
          .view({1});
  for (std::size_t i = 0; i < vision_hidden.size(); ++i)
    actual[fmt::format("vision_hidden.{}", i)] = vision_hidden[i];
  for (std::size_t i = 0; i < text_hidden.size(); ++i)
    actual[fmt::format("text_hidden.{}", i)] = text_hidden[i];
  actual["vision_last_hidden_state"] = vision_hidden.back();
  actual["text_last_hidden_state"] =
      dynamic_cast<ClipTextTower&>(*model->text_model).final_layer_norm(text_hidden.back());
  EXPECT_EQ(actual.size(), expected.names().size());
  for (const auto& name : expected.names()) {
    ASSERT_TRUE(actual.count(name)) << name;
    EXPECT_LE(max_difference(actual[name], from_tensor(expected.get(name).view())), tolerance) << name;
  }
}

/// The loss whose gradients the goldens hold.
inline torch::Tensor contrastive_loss(DualEncoder& model, ComputeType compute = ComputeType::f32) {
  const torch::Tensor logits =
      torch::matmul(model->encode_image(tiny_pixels(), compute), model->encode_text(tiny_ids(), compute).t()) *
      model->logit_scale.exp();
  const torch::Tensor labels = torch::arange(logits.size(0));
  return (torch::cross_entropy_loss(logits, labels) + torch::cross_entropy_loss(logits.t(), labels)) / 2;
}

}  // namespace edgeclip::test
