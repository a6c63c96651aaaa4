#include "train/gradient_step.h"

#include "base/error.h"
#include "model/batch_norm.h"
#include "model/random_state.h"

namespace edgeclip {

namespace {

Inputs rows_of(const Inputs& inputs, std::int64_t begin, std::int64_t end) {
  Inputs part;
  part.pixels = inputs.pixels.slice(0, begin, end);
  part.tokens = inputs.tokens.slice(0, begin, end);
  part.ids = inputs.ids.slice(0, begin, end);
  if (inputs.pairs.defined()) part.pairs = inputs.pairs.slice(0, begin, end);
  return part;
}

template <class Each>
std::vector<torch::Tensor> tensors_of(Each&& each, const Features& features) {
  std::vector<torch::Tensor> tensors;
  each(features, [&](const torch::Tensor& tensor) { tensors.push_back(tensor); });
  return tensors;
}

const auto kEncoded = [](auto& features, auto visit) { each_encoded(features, visit); };
const auto kGiven = [](auto& features, auto visit) { each_given(features, visit); };

/// Features of parts, in order, as those of the whole.
Features joined(const std::vector<Features>& parts) {
  Features whole = parts.front();
  const auto join = [&](auto each) {
    std::vector<std::vector<torch::Tensor>> rows;
    for (const Features& part : parts) rows.push_back(tensors_of(each, part));
    std::size_t which = 0;
    each(whole, [&](torch::Tensor& tensor) {
      std::vector<torch::Tensor> pieces;
      for (const auto& of_part : rows) pieces.push_back(of_part[which]);
      ++which;
      if (tensor.defined()) tensor = torch::cat(pieces);
    });
  };
  join(kEncoded);
  join(kGiven);
  return whole;
}

ObjectiveValue without_graph(ObjectiveValue value) {
  value.total = value.total.detach();
  for (auto& part : value.parts) part.second = part.second.detach();
  return value;
}

void require_separate_rows(DualEncoderImpl& model) {
  for (const auto& module : model.named_modules())
    if (const auto* norm = module.value()->as<BatchNormImpl>(); norm != nullptr && norm->weight.requires_grad())
      invalid_input(
          "micro_batch: {} normalizes by the batch it sees, so that parts of a batch are not the whole; freeze it "
          "(freeze: [\"vision_model\"], or re:.*bn[0-9].*), or set micro_batch to 0",
          module.key());
}

}  // namespace

GradientStep::GradientStep(DualEncoder model, Objective objective, bool bf16, int micro_batch)
    : model_(std::move(model)), objective_(std::move(objective)), bf16_(bf16), micro_batch_(micro_batch) {
  if (micro_batch_ > 0) require_separate_rows(*model_);
}

ObjectiveValue GradientStep::operator()(const Batch& batch) {
  const Inputs inputs = inputs_of(batch, model_->logit_scale.device());
  return micro_batch_ == 0 || inputs.ids.size(0) <= micro_batch_ ? at_once(inputs) : in_parts(inputs);
}

ObjectiveValue GradientStep::at_once(const Inputs& inputs) {
  const ObjectiveValue value = objective_->forward(objective_->features(model_, inputs, bf16_));
  value.total.backward();
  return without_graph(value);
}

ObjectiveValue GradientStep::in_parts(const Inputs& inputs) {
  const std::int64_t rows = inputs.ids.size(0);
  std::vector<Inputs> parts;
  for (std::int64_t begin = 0; begin < rows; begin += micro_batch_)
    parts.push_back(rows_of(inputs, begin, std::min(rows, begin + micro_batch_)));

  std::vector<RandomState> random;
  std::vector<Features> encoded;
  {
    const torch::NoGradGuard no_graph;
    for (const Inputs& part : parts) {
      random.emplace_back(inputs.pixels.device());
      encoded.push_back(objective_->features(model_, part, bf16_));
    }
  }
  RandomState after(inputs.pixels.device());

  Features whole = joined(encoded);
  encoded.clear();
  whole.logit_scale = model_->logit_scale;  // its gradient comes from the objective alone
  each_encoded(whole, [](torch::Tensor& tensor) {
    if (tensor.defined()) tensor.requires_grad_();
  });
  const ObjectiveValue value = objective_->forward(whole);
  value.total.backward();

  std::int64_t begin = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::int64_t n = parts[i].ids.size(0);
    random[i].restore();
    const std::vector<torch::Tensor> again = tensors_of(kEncoded, objective_->encoded(model_, parts[i], bf16_));
    std::vector<torch::Tensor> roots, gradients;
    std::size_t which = 0;
    each_encoded(whole, [&](const torch::Tensor& tensor) {
      const torch::Tensor& root = again[which++];
      if (!tensor.defined() || !tensor.grad().defined() || !root.requires_grad()) return;
      roots.push_back(root);
      gradients.push_back(tensor.grad().slice(0, begin, begin + n));
    });
    if (!roots.empty()) torch::autograd::backward(roots, gradients);
    begin += n;
  }
  after.restore();
  return without_graph(value);
}

}  // namespace edgeclip
