#include "compress/importance.h"

#include "base/error.h"
#include "model/checkpoint.h"
#include "train/losses.h"

namespace edgeclip {

namespace {

void append_layers(const Transformer& encoder, const std::string& prefix, bool vision,
                   std::vector<MlpLayer>& out) {
  for (std::size_t i = 0; i < encoder->layers->size(); ++i)
    out.push_back({fmt::format("{}.encoder.layers.{}.mlp", prefix, i), vision, static_cast<int>(i),
                   encoder->layer(i)->mlp});
}

/// (B, T) float: 1 up to the first end-of-text token, which is pooled, and 0 after it.
torch::Tensor tokens_that_count(const torch::Tensor& tokens, std::int64_t end_id) {
  const torch::Tensor ends = tokens.eq(end_id).to(torch::kInt64);
  return (ends.cumsum(1) - ends).eq(0).to(torch::kFloat32);
}

/// The activations of block's MLP for the block's input x (B, T, W), as its forward computes them; mask as
/// there.
torch::Tensor activations(const EncoderLayer& block, const torch::Tensor& x, const torch::Tensor& mask) {
  EncoderLayer b = block;
  const torch::Tensor middle = x + b->self_attn->forward(b->layer_norm1->forward(x), mask);
  return b->mlp->hidden(b->layer_norm2->forward(middle));
}

torch::Tensor causal_mask(std::int64_t tokens) {
  return torch::full({tokens, tokens}, -std::numeric_limits<float>::infinity()).triu(1);
}

}  // namespace

std::vector<MlpLayer> mlp_layers(const DualEncoder& model) {
  std::vector<MlpLayer> layers;
  append_layers(model->vision_model->encoder, "vision_model", true, layers);
  append_layers(model->text_model->encoder, "text_model", false, layers);
  return layers;
}

NeuronImportance::NeuronImportance(DualEncoder model, std::string kind)
    : model_(std::move(model)), kind_(std::move(kind)), layers_(mlp_layers(model_)) {
  EDGECLIP_CHECK(!model_->has_lora());
  EDGECLIP_CHECK(kind_ == "taylor" || kind_ == "magnitude", "importance {}", kind_);
  model_->eval();
  for (const MlpLayer& layer : layers_) sums_.push_back(torch::zeros({layer.mlp->fc1->weight.size(0)}));
}

void NeuronImportance::add(const Batch& batch, bool identity_targets) {
  const torch::Tensor pixels = from_tensor(batch.pixels.view());
  const torch::Tensor tokens = from_tensor(batch.tokens.view()).to(torch::kInt64);

  // No hook reaches h inside the blocks.  But a block is out = middle + fc2(h), so dL/dh = dL/dout * W2: the
  // gradients at the blocks' outputs are enough, and h is recomputed from the block's input.
  std::vector<torch::Tensor> image_states, text_states;
  const auto unit = [](const torch::Tensor& x) { return torch::nn::functional::normalize(x); };
  const torch::Tensor image =
      unit(model_->visual_projection->forward(model_->vision_model->forward(pixels, &image_states)));
  const torch::Tensor text =
      unit(model_->text_projection->forward(model_->text_model->forward(tokens, &text_states)));

  std::vector<torch::Tensor> outputs(image_states.begin() + 1, image_states.end());
  outputs.insert(outputs.end(), text_states.begin() + 1, text_states.end());
  std::vector<torch::Tensor> gradients(outputs.size());
  if (kind_ == "taylor") {
    const torch::Tensor loss = contrastive_loss(image, text, model_->logit_scale,
                                                identity_targets ? batch.ids : std::vector<std::int64_t>{});
    gradients = torch::autograd::grad({loss}, outputs);
  }

  const torch::NoGradGuard no_grad;
  const torch::Tensor text_mask = causal_mask(tokens.size(1));
  const torch::Tensor counts = tokens_that_count(tokens, model_->config.text.eos_token_id).unsqueeze(-1);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const MlpLayer& layer = layers_[i];
    const auto index = static_cast<std::size_t>(layer.layer);
    const Transformer& encoder = layer.vision ? model_->vision_model->encoder : model_->text_model->encoder;
    const torch::Tensor& input = (layer.vision ? image_states : text_states)[index];
    torch::Tensor h =
        activations(encoder->layer(index), input, layer.vision ? torch::Tensor() : text_mask).abs();
    const torch::Tensor& w2 = layer.mlp->fc2->weight;  // (W, neurons)
    if (kind_ == "taylor") h = h * torch::matmul(gradients[i], w2).abs();
    if (!layer.vision) h = h * counts;
    torch::Tensor score = h.sum(torch::IntArrayRef{0, 1});
    if (kind_ == "magnitude") score = score * w2.norm(2, 0);
    sums_[i] += score;
  }
  ++batches_;
}

std::vector<torch::Tensor> NeuronImportance::scores() const {
  EDGECLIP_CHECK(batches_ > 0);
  std::vector<torch::Tensor> means;
  for (const torch::Tensor& sum : sums_) means.push_back(sum / static_cast<double>(batches_));
  return means;
}

}  // namespace edgeclip
