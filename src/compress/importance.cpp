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
  for (const MlpLayer& layer : layers_) sums_.push_back(torch::zeros({layer.mlp->fc1->weight.size(0)}));
}

void NeuronImportance::add(const Batch& batch, Objective& objective) {
  const Inputs inputs = inputs_of(batch, model_->logit_scale.device());

  const EvalMode eval(*model_);
  const KeepHidden keep(layers_);
  objective->eval();
  const Features features = objective->features(model_, inputs, /*bf16=*/false);
  std::vector<torch::Tensor> hidden, gradients;
  for (const MlpLayer& layer : layers_) hidden.push_back(layer.mlp->hidden);
  if (kind_ == "taylor") {
    const torch::Tensor loss = objective->forward(features).total;
    if (!loss.defined())
      throw InvalidInput(
          "importance: taylor: none of the losses in use can be measured without training; give "
          "losses.contrastive "
          "a weight, or set importance to magnitude");
    gradients = torch::autograd::grad({loss}, hidden);
  }

  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    torch::Tensor h = hidden[i].detach().abs();
    if (kind_ == "taylor") h = h * gradients[i].abs();
    torch::Tensor score = h.sum(0);  // over rows: none is padding
    if (kind_ == "magnitude") score = score * layers_[i].mlp->fc2->weight.detach().norm(2, 0);
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
