#include "model/dual_encoder.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace edgeclip {

namespace {

/// Unit rows, in float32 even under bf16 autocast: eight bits of mantissa are too few for cosines.
torch::Tensor unit_rows(const torch::Tensor& x) {
  const torch::Tensor wide = x.scalar_type() == torch::kBFloat16 ? x.to(torch::kFloat) : x;
  return torch::nn::functional::normalize(wide, torch::nn::functional::NormalizeFuncOptions().dim(-1));
}

bool is_target(const std::string& name, const std::string& suffix) {
  if (name == suffix) return true;
  return name.size() > suffix.size() && name[name.size() - suffix.size() - 1] == '.' &&
         name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

}  // namespace

DualEncoderImpl::DualEncoderImpl(const ModelConfig& config) : config(config) {
  config.validate("model: ");
  vision_model = register_module("vision_model", VisionTower(config.vision));
  text_model = register_module("text_model", TextTower(config.text));
  visual_projection =
      register_module("visual_projection", Linear(config.vision.hidden_size, config.projection_dim, false));
  text_projection =
      register_module("text_projection", Linear(config.text.hidden_size, config.projection_dim, false));
  logit_scale = register_parameter("logit_scale", torch::full({}, config.logit_scale_init, torch::kFloat));
}

torch::Tensor DualEncoderImpl::project_image(const torch::Tensor& pixels) {
  return visual_projection(vision_model(pixels));
}
torch::Tensor DualEncoderImpl::project_text(const torch::Tensor& tokens) {
  return text_projection(text_model(tokens));
}
torch::Tensor DualEncoderImpl::encode_image(const torch::Tensor& pixels) {
  return unit_rows(project_image(pixels));
}
torch::Tensor DualEncoderImpl::encode_text(const torch::Tensor& tokens) {
  return unit_rows(project_text(tokens));
}

std::vector<std::pair<std::string, Linear>> DualEncoderImpl::linears() const {
  std::vector<std::pair<std::string, Linear>> out;
  for (const auto& item : named_modules())
    if (auto linear = std::dynamic_pointer_cast<LinearImpl>(item.value()))
      out.emplace_back(item.key(), Linear(linear));
  return out;
}

void DualEncoderImpl::attach_lora(const LoraOptions& options) {
  if (options.rank < 1) invalid_input("lora: rank must be at least 1, is {}", options.rank);
  if (options.dropout < 0 || options.dropout >= 1)
    invalid_input("lora: dropout must be in [0, 1), is {}", options.dropout);
  if (options.target_modules.empty()) invalid_input("lora: target_modules is empty");
  const auto all = linears();
  for (const auto& target : options.target_modules) {
    const bool found =
        std::any_of(all.begin(), all.end(), [&](const auto& item) { return is_target(item.first, target); });
    if (!found)
      invalid_input(
          "lora: target_modules: no linear layer's name ends with \"{}\"; q_proj, k_proj, v_proj, out_proj, "
          "fc1, fc2 do",
          target);
  }
  for (auto& parameter : parameters()) parameter.requires_grad_(false);
  for (auto [name, linear] : all) {
    const std::string& full = name;
    const auto& targets = options.target_modules;
    if (std::any_of(targets.begin(), targets.end(),
                    [&](const std::string& target) { return is_target(full, target); }))
      linear->attach_lora(options);
  }
}

bool DualEncoderImpl::has_lora() const {
  const auto all = linears();
  return std::any_of(all.begin(), all.end(), [](const auto& item) { return item.second->has_lora(); });
}

void DualEncoderImpl::merge_lora() {
  for (auto [name, linear] : linears())
    if (linear->has_lora()) linear->merge_lora();
  for (auto& parameter : parameters()) parameter.requires_grad_(true);
}

void initialize_weights(DualEncoder& model) {
  const torch::NoGradGuard no_grad;
  const auto normal = [](torch::Tensor t, double std) { torch::nn::init::normal_(t, 0.0, std); };
  const auto transformer = [&](Transformer& encoder) {
    const auto depth = static_cast<double>(encoder->layers->size());
    for (std::size_t i = 0; i < encoder->layers->size(); ++i) {
      EncoderLayer layer = encoder->layer(i);
      const double width = layer->self_attn->width;
      const double narrow = std::pow(width, -0.5) *
                            std::pow(2 * depth, -0.5);  // what is added to the residual shrinks with depth
      for (auto& linear : {layer->self_attn->q_proj, layer->self_attn->k_proj, layer->self_attn->v_proj})
        normal(linear->weight, narrow);
      normal(layer->self_attn->out_proj->weight, std::pow(width, -0.5));
      normal(layer->mlp->fc1->weight, std::pow(2 * width, -0.5));
      normal(layer->mlp->fc2->weight, narrow);
    }
  };
  VisionTower& vision = model->vision_model;
  normal(vision->class_embedding, std::pow(vision->config.hidden_size, -0.5));
  normal(vision->patch_embedding->weight, 0.02);
  normal(vision->position_embedding->weight, 0.02);
  transformer(vision->encoder);
  TextTower& text = model->text_model;
  normal(text->token_embedding->weight, 0.02);
  normal(text->position_embedding->weight, 0.02);
  transformer(text->encoder);
  normal(model->visual_projection->weight, std::pow(vision->config.hidden_size, -0.5));
  normal(model->text_projection->weight, std::pow(text->config.hidden_size, -0.5));
  model->logit_scale.fill_(model->config.logit_scale_init);
  for (auto& item : model->named_modules()) {
    if (auto* linear = item.value()->as<LinearImpl>(); linear && linear->bias.defined()) linear->bias.zero_();
    if (auto* norm = item.value()->as<torch::nn::LayerNormImpl>()) {
      norm->weight.fill_(1);
      norm->bias.zero_();
    }
  }
}

}  // namespace edgeclip
