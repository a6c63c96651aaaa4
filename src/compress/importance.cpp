#include "compress/importance.h"

#include "base/error.h"
#include "model/eval_mode.h"

namespace edgeclip {

namespace {

/// For its lifetime the MLPs keep what their second layer sees.
class KeepHidden {
 public:
  explicit KeepHidden(std::vector<MlpLayer>& layers) : layers_(layers) { set(true); }
  ~KeepHidden() { set(false); }
  KeepHidden(const KeepHidden&) = delete;
  KeepHidden& operator=(const KeepHidden&) = delete;

 private:
  void set(bool on) {
    for (MlpLayer& layer : layers_) {
      layer.mlp->keep_hidden = on;
      layer.mlp->hidden = torch::Tensor();
    }
  }
  std::vector<MlpLayer>& layers_;
};

}  // namespace

std::vector<MlpLayer> mlp_layers(const DualEncoder& model) {
  std::vector<MlpLayer> layers;
  for (PruneGroup& group : model->vision_model->prune_groups("vision_model"))
    layers.push_back({std::move(group.name), true, group.mlp});
  for (PruneGroup& group : model->text_model->prune_groups("text_model"))
    layers.push_back({std::move(group.name), false, group.mlp});
  return layers;
}

NeuronImportance::NeuronImportance(DualEncoder model, std::string kind)
    : model_(std::move(model)), kind_(std::move(kind)), layers_(mlp_layers(model_)) {
  EDGECLIP_CHECK(!model_->has_lora());
  EDGECLIP_CHECK(kind_ == "taylor" || kind_ == "magnitude", "importance {}", kind_);
  for (const MlpLayer& layer : layers_) {
    const torch::Tensor& weight = layer.mlp->fc1->weight;
    tokens_.push_back(0);
    sums_.push_back(torch::zeros({weight.size(0)}, weight.options().dtype(torch::kFloat)));
  }
}

void NeuronImportance::add(const Batch& batch, Objective& objective) {
  const Inputs inputs = inputs_of(batch, model_->logit_scale.device());

  const EvalMode model_evaluates(*model_), objective_evaluates(*objective);
  const KeepHidden keep(layers_);
  const Features features = objective->features(model_, inputs, /*bf16=*/false);
  std::vector<torch::Tensor> hidden, gradients;
  for (const MlpLayer& layer : layers_) hidden.push_back(layer.mlp->hidden);
  if (kind_ == "taylor") {
    const torch::Tensor loss = objective->forward(features).total;
    EDGECLIP_CHECK(loss.defined(), "taylor with losses that are measured in training alone");
    gradients = torch::autograd::grad({loss}, hidden);
  }

  const torch::NoGradGuard no_grad;
  const torch::Tensor valid = model_->text_model->valid_tokens(inputs.tokens);  // (B, T)
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    torch::Tensor h = hidden[i].detach().abs();
    if (kind_ == "taylor") h = h * gradients[i].abs();
    const std::int64_t sequences = (layers_[i].vision ? inputs.pixels : inputs.tokens).size(0);
    const double rows = layers_[i].vision ? static_cast<double>(h.size(0)) : valid.sum().item<double>();
    const double length = rows / static_cast<double>(sequences);
    // On the CPU no row is padding; elsewhere captions are padded to the longest.
    if (!layers_[i].vision && !h.device().is_cpu())
      h = h * valid.slice(1, 0, h.size(0) / sequences).flatten().unsqueeze(1);
    torch::Tensor score = h.sum(0);
    if (kind_ == "magnitude") score = score * layers_[i].mlp->fc2->weight.detach().norm(2, 0);
    sums_[i] += score;
    tokens_[i] += length;
  }
  ++batches_;
}

std::vector<torch::Tensor> NeuronImportance::scores() const {
  EDGECLIP_CHECK(batches_ > 0);
  std::vector<torch::Tensor> means;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    means.push_back(sums_[i] / static_cast<double>(batches_));
    if (const torch::Tensor odd = means.back().isfinite().logical_not().nonzero(); odd.size(0) > 0) {
      const auto neuron = odd[0].item<std::int64_t>();
      invalid_input(
          "importance {}: {}: the score of neuron {} is {} on the calibration batches ({} of {} are no numbers); look for "
          "weights of the checkpoint that are not finite, or train it again with a lower rate",
          kind_, layers_[i].name, neuron, means.back()[neuron].item<float>(), odd.size(0), means.back().size(0));
    }
  }
  return means;
}

std::vector<double> NeuronImportance::macs_per_neuron() const {
  EDGECLIP_CHECK(batches_ > 0);
  std::vector<double> macs;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Mlp& mlp = layers_[i].mlp;
    macs.push_back(tokens_[i] / static_cast<double>(batches_) *
                   static_cast<double>(mlp->fc1->weight.size(1) + mlp->fc2->weight.size(0)));
  }
  return macs;
}

}  // namespace edgeclip
