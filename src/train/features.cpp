#include "train/features.h"

#include "model/tensors.h"

namespace edgeclip {

namespace {

TowerOutput output_of(torch::Tensor hidden, Projection& projection, ComputeType compute) {
  TowerOutput out;
  const torch::Tensor projected = projection(hidden, compute);
  out.unit = unit_rows(projected);
  out.projected = projected.to(torch::kFloat);
  out.hidden = std::move(hidden);
  return out;
}

torch::Tensor integers(const std::vector<std::int64_t>& values, const torch::Device& device) {
  return torch::tensor(values, torch::kInt64).to(device);
}

/// Indices, but -1 where something was changed; undefined where not all is said.
torch::Tensor unchanged(const std::vector<std::int64_t>& indices, const std::vector<char>& changed, std::size_t rows, const torch::Device& device) {
  if (indices.size() != rows || changed.size() != rows) return {};
  std::vector<std::int64_t> same = indices;
  for (std::size_t i = 0; i < rows; ++i)
    if (changed[i]) same[i] = -1;
  return integers(same, device);
}

}  // namespace

Inputs inputs_of(const Batch& batch, const torch::Device& device) {
  Inputs inputs;
  inputs.pixels = from_tensor(batch.pixels.view()).to(device);
  if (batch.second_pixels.defined()) inputs.second_pixels = from_tensor(batch.second_pixels.view()).to(device);
  inputs.tokens = from_tensor(batch.tokens.view()).to(device, torch::kInt64);
  inputs.ids = integers(batch.ids, device);
  if (!batch.images.empty()) inputs.pairs = integers(batch.images, device);
  inputs.unchanged_images = unchanged(batch.images, batch.image_augmented, batch.ids.size(), device);
  inputs.unchanged_captions = unchanged(batch.captions, batch.caption_augmented, batch.ids.size(), device);
  return inputs;
}

Features encode(DualEncoder& model, const Inputs& inputs, bool bf16) {
  const ComputeType compute = compute_type(bf16);
  Features features;
  features.image = output_of(model->hidden_image(inputs.pixels, compute), model->visual_projection, compute);
  if (inputs.second_pixels.defined())
    features.second_image =
        output_of(model->hidden_image(inputs.second_pixels, compute), model->visual_projection, compute);
  features.text = output_of(model->hidden_text(inputs.tokens, compute), model->text_projection, compute);
  features.logit_scale = model->logit_scale;
  features.ids = inputs.ids;
  features.pairs = inputs.pairs;
  return features;
}

}  // namespace edgeclip
