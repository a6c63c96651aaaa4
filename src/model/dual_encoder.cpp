#include "model/dual_encoder.h"

namespace edgeclip {

torch::Tensor unit_rows(const torch::Tensor& x) {
  const torch::Tensor wide = x.scalar_type() == torch::kBFloat16 ? x.to(torch::kFloat) : x;
  return torch::nn::functional::normalize(wide, torch::nn::functional::NormalizeFuncOptions().dim(-1));
}

DualEncoderImpl::DualEncoderImpl(const ModelConfig& config) : config(config) {
  config.validate("model: ");
  vision_model = register_module("vision_model", make_image_tower(config.vision));
  text_model = register_module("text_model", make_text_tower(config.text));
  visual_projection = Projection(*this, "visual_projection", config.visual_projection, config.vision.width(),
                                 config.projection_dim);
  text_projection = Projection(*this, "text_projection", config.text_projection, config.text.hidden_size,
                               config.projection_dim);
  logit_scale = register_parameter("logit_scale", torch::full({}, config.logit_scale_init, torch::kFloat));
}

torch::Tensor DualEncoderImpl::project_image(const torch::Tensor& pixels, ComputeType compute) {
  return visual_projection(hidden_image(pixels, compute), compute);
}
torch::Tensor DualEncoderImpl::project_text(const torch::Tensor& tokens, ComputeType compute) {
  return text_projection(hidden_text(tokens, compute), compute);
}
torch::Tensor DualEncoderImpl::hidden_image(const torch::Tensor& pixels, ComputeType compute) {
  return vision_model->forward(pixels, compute);
}
torch::Tensor DualEncoderImpl::hidden_text(const torch::Tensor& tokens, ComputeType compute) {
  return text_model->forward(tokens, compute);
}
torch::Tensor DualEncoderImpl::encode_image(const torch::Tensor& pixels, ComputeType compute) {
  return unit_rows(project_image(pixels, compute));
}
torch::Tensor DualEncoderImpl::encode_text(const torch::Tensor& tokens, ComputeType compute) {
  return unit_rows(project_text(tokens, compute));
}

void DualEncoderImpl::attach_lora(const LoraOptions& options, const std::vector<std::string>& beside) {
  adapters.use("");
  adapters.add("default", new_adapter(*this, options, beside));
}

void DualEncoderImpl::merge_lora() { adapters.fold(); }

void DualEncoderImpl::recompute_blocks(bool on) {
  vision_model->recompute_blocks(on);
  text_model->recompute_blocks(on);
}

std::vector<QuantizableValue> DualEncoderImpl::quantizable_image() {
  std::vector<QuantizableValue> values = vision_model->quantizable("vision_model");
  for (QuantizableValue& value : visual_projection.quantizable("visual_projection")) values.push_back(std::move(value));
  return values;
}

std::vector<QuantizableValue> DualEncoderImpl::quantizable_text() {
  std::vector<QuantizableValue> values = text_model->quantizable("text_model");
  for (QuantizableValue& value : text_projection.quantizable("text_projection")) values.push_back(std::move(value));
  return values;
}

void initialize_weights(DualEncoder& model) {
  model->vision_model->initialize();
  model->text_model->initialize();
  model->visual_projection.initialize();
  model->text_projection.initialize();
  const torch::NoGradGuard no_grad;
  model->logit_scale.fill_(model->config.logit_scale_init);
}

}  // namespace edgeclip
