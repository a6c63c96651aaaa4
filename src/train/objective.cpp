#include "train/objective.h"

#include "train/precision.h"

namespace edgeclip {

ObjectiveImpl::ObjectiveImpl(const ObjectiveOptions& options, const LossContext& context) {
  for (const LossRow& row : loss_rows())
    if (const double weight = row.weight(options); weight != 0)
      terms_.push_back({row.name, weight, register_module(row.name, row.make(options, context))});
}

ObjectiveValue ObjectiveImpl::forward(const Features& features) {
  ObjectiveValue value;
  for (const Term& term : terms_) {
    if (!counts(term)) continue;
    const torch::Tensor part = term.loss->forward(features);
    value.parts.emplace_back(term.name, part);
    const torch::Tensor weighted = term.weight == 1 ? part : term.weight * part;
    value.total = value.total.defined() ? value.total + weighted : weighted;
  }
  return value;
}

Features ObjectiveImpl::features(DualEncoder& model, const Inputs& inputs, bool bf16) {
  Features features = encoded(model, inputs, bf16);
  const torch::NoGradGuard no_graph;
  const Autocast autocast(bf16);
  for (const Term& term : terms_)
    if (counts(term)) term.loss->add_targets(inputs, features);
  return features;
}

Features ObjectiveImpl::encoded(DualEncoder& model, const Inputs& inputs, bool bf16) {
  return encode(model, inputs, bf16);
}

}  // namespace edgeclip
