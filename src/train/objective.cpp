#include "train/objective.h"

namespace edgeclip {

ObjectiveImpl::ObjectiveImpl(const ObjectiveOptions& options, const LossContext& given) {
  LossContext context = given;
  if (options.distillation.in_use())
    teacher_ = std::make_unique<Teacher>(options.distillation.teacher, context.student, context.dataset,
                                         context.where + "losses.distillation.teacher");
  context.teacher = teacher_.get();
  for (const LossRow& row : loss_rows())
    if (const double weight = row.weight(options); weight != 0)
      terms_.push_back(
          {row.name, weight, row.measures_unseen, register_module(row.name, row.make(options, context))});
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

std::vector<std::string> ObjectiveImpl::measured() const {
  std::vector<std::string> names;
  for (const Term& term : terms_)
    if (counts(term)) names.push_back(term.name);
  return names;
}

Features ObjectiveImpl::features(DualEncoder& model, const Inputs& inputs, bool bf16) {
  Features features = encoded(model, inputs, bf16);
  // No loss of distillation is measured elsewhere.
  if (teacher_ && is_training()) features.teacher = teacher_->see(inputs, compute_type(bf16));
  return features;
}

Features ObjectiveImpl::encoded(DualEncoder& model, const Inputs& inputs, bool bf16) {
  return encode(model, inputs, bf16);
}

}  // namespace edgeclip
