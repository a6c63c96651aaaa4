#include "train/gradient_step.h"

#include "base/error.h"
#include "model/batch_norm.h"
#include "model/random_state.h"

namespace edgeclip {

namespace {

Inputs rows_of(const Inputs& inputs, std::int64_t begin, std::int64_t end) {
  Inputs part;
  part.pixels = inputs.pixels.slice(0, begin, end);
  if (inputs.second_pixels.defined()) part.second_pixels = inputs.second_pixels.slice(0, begin, end);
  part.tokens = inputs.tokens.slice(0, begin, end);
  part.ids = inputs.ids.slice(0, begin, end);
  if (inputs.pairs.defined()) part.pairs = inputs.pairs.slice(0, begin, end);
  if (inputs.unchanged_images.defined()) part.unchanged_images = inputs.unchanged_images.slice(0, begin, end);
  if (inputs.unchanged_captions.defined()) part.unchanged_captions = inputs.unchanged_captions.slice(0, begin, end);
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

void require_separate_rows(DualEncoderImpl& model, const std::string& because) {
  for (const auto& module : model.named_modules())
    if (const auto* norm = module.value()->as<BatchNormImpl>(); norm != nullptr && norm->weight.requires_grad())
      invalid_input(
          "{}: {} normalizes by the rows it sees, so that parts of a batch are not the whole; freeze it (freeze: "
          "[\"vision_model\"], or re:.*bn[0-9].*), or {}",
          because, module.key(), because == "micro_batch" ? "set micro_batch to 0" : "train in one process");
}

/// Leaves of a graph of their own, with the values of features of all ranks.
Features leaves_of(const Features& local, const torch::Tensor& logit_scale, Ranks& ranks) {
  Features whole = local;
  whole.logit_scale = logit_scale;  // its gradient comes from the objective alone
  const auto gather = [&](torch::Tensor& tensor) {
    if (tensor.defined()) tensor = ranks.gathered(tensor);
  };
  each_given(whole, gather);
  each_encoded(whole, gather);
  each_encoded(whole, [](torch::Tensor& tensor) {
    if (tensor.defined()) tensor.requires_grad_();
  });
  return whole;
}

/// Takes the gradient of rows [begin, begin + n) of whole's leaves on to what encoded them.
void backward_from(const Features& whole, const Features& encoded, std::int64_t begin, std::int64_t n) {
  const std::vector<torch::Tensor> heads = tensors_of(kEncoded, encoded);
  std::vector<torch::Tensor> roots, gradients;
  std::size_t which = 0;
  each_encoded(whole, [&](const torch::Tensor& leaf) {
    const torch::Tensor& head = heads[which++];
    if (!leaf.defined() || !leaf.grad().defined() || !head.requires_grad()) return;
    roots.push_back(head);
    gradients.push_back(leaf.grad().slice(0, begin, begin + n));
  });
  if (!roots.empty()) torch::autograd::backward(roots, gradients);
}

}  // namespace

GradientStep::GradientStep(DualEncoder model, Objective objective, bool bf16, int micro_batch, Ranks& ranks)
    : model_(std::move(model)), objective_(std::move(objective)), bf16_(bf16), micro_batch_(micro_batch), ranks_(ranks) {
  if (micro_batch_ > 0) require_separate_rows(*model_, "micro_batch");
  if (!ranks_.alone()) require_separate_rows(*model_, fmt::format("{} processes", ranks_.world()));
}

ObjectiveValue GradientStep::operator()(const Batch& batch) {
  const Inputs inputs = inputs_of(batch, model_->logit_scale.device());
  const bool parts = micro_batch_ > 0 && inputs.ids.size(0) > micro_batch_;
  return parts || !ranks_.alone() ? in_parts(inputs) : at_once(inputs);
}

ObjectiveValue GradientStep::at_once(const Inputs& inputs) {
  const ObjectiveValue value = objective_->forward(objective_->features(model_, inputs, bf16_));
  value.total.backward();
  return without_graph(value);
}

ObjectiveValue GradientStep::in_parts(const Inputs& inputs) {
  const std::int64_t rows = inputs.ids.size(0), step = micro_batch_ > 0 ? micro_batch_ : rows;
  std::vector<Inputs> parts;
  for (std::int64_t begin = 0; begin < rows; begin += step)
    parts.push_back(rows_of(inputs, begin, std::min(rows, begin + step)));

  const bool twice = parts.size() > 1;
  const torch::Device device = inputs.pixels.device();
  std::vector<RandomState> random;
  std::vector<Features> encoded;
  {
    const torch::AutoGradMode graph(!twice);
    for (const Inputs& part : parts) {
      random.emplace_back(device);
      encoded.push_back(objective_->features(model_, part, bf16_));
    }
  }
  RandomState after(device);
  const std::int64_t before = ranks_.rows_before(rows);
  const Features whole = leaves_of(joined(encoded), model_->logit_scale, ranks_);
  const ObjectiveValue value = objective_->forward(whole);
  value.total.backward();

  std::int64_t begin = before;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (twice) {
      random[i].restore();
      encoded[i] = objective_->encoded(model_, parts[i], bf16_);
    }
    const std::int64_t n = parts[i].ids.size(0);
    backward_from(whole, encoded[i], begin, n);
    encoded[i] = Features();
    begin += n;
  }
  after.restore();
  if (!ranks_.alone()) sum_gradients();
  return without_graph(value);
}

void GradientStep::sum_gradients() {
  std::vector<torch::Tensor> gradients, flat;
  const auto collect = [&](const torch::Tensor& parameter, bool whole) {
    if (!parameter.requires_grad() || !parameter.grad().defined()) return;
    gradients.push_back(parameter.grad());
    // What the objective alone knows has its whole gradient on every rank already: it counts once.
    flat.push_back((whole && !ranks_.first() ? torch::zeros_like(parameter.grad()) : parameter.grad()).reshape({-1}));
  };
  for (const torch::Tensor& parameter : model_->parameters()) collect(parameter, parameter.is_same(model_->logit_scale));
  for (const torch::Tensor& parameter : objective_->parameters()) collect(parameter, true);
  const auto own = static_cast<std::int64_t>(gradients.size());
  torch::Tensor count = torch::full({1}, own, torch::kInt64), all = torch::cat(flat);
  ranks_.sum(count);
  EDGECLIP_CHECK(count.item<std::int64_t>() == own * ranks_.world(), "ranks have gradients of different parameters");
  ranks_.sum(all);
  const torch::NoGradGuard no_graph;
  std::int64_t begin = 0;
  for (torch::Tensor& gradient : gradients) {
    gradient.copy_(all.slice(0, begin, begin + gradient.numel()).view(gradient.sizes()));
    begin += gradient.numel();
  }
}

}  // namespace edgeclip
