#include "compress/importance.h"

#include "base/error.h"
#include "model/eval_mode.h"

namespace edgeclip {

namespace {

/// For its lifetime the taps are on; what they saw is gone afterwards.
class OpenTaps {
 public:
  explicit OpenTaps(const std::vector<PruneGroup>& groups) : groups_(groups) { set(true); }
  ~OpenTaps() { set(false); }
  OpenTaps(const OpenTaps&) = delete;
  OpenTaps& operator=(const OpenTaps&) = delete;

 private:
  void set(bool on) {
    for (const PruneGroup& group : groups_)
      for (Tap* tap : group.taps) {
        tap->on = on;
        tap->seen.clear();
      }
  }
  const std::vector<PruneGroup>& groups_;
};

/// (N, units, values of a unit): each row, or each image.
torch::Tensor by_units(const torch::Tensor& seen, std::int64_t units) {
  return seen.reshape({seen.size(0), units, -1}).to(torch::kFloat);
}

}  // namespace

UnitImportance::UnitImportance(DualEncoder model, std::vector<PruneGroup> groups, std::string kind)
    : model_(std::move(model)), groups_(std::move(groups)), kind_(std::move(kind)) {
  EDGECLIP_CHECK(!model_->has_lora());
  EDGECLIP_CHECK(kind_ == "taylor" || kind_ == "activation" || kind_ == "magnitude", "importance {}", kind_);
  for (const PruneGroup& group : groups_)
    sums_.push_back(torch::zeros({group.units}, model_->logit_scale.options().dtype(torch::kFloat).requires_grad(false)));
}

void UnitImportance::add(const Batch& batch, Objective& objective) {
  ++batches_;
  if (!reads_data()) return;
  const Inputs inputs = inputs_of(batch, model_->logit_scale.device());
  const EvalMode model_evaluates(*model_), objective_evaluates(*objective);
  const OpenTaps open(groups_);
  const Features features = objective->features(model_, inputs, /*bf16=*/false);
  std::vector<torch::Tensor> seen, gradients;
  std::vector<std::size_t> owners;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (const Tap* tap : groups_[g].taps)
      for (const torch::Tensor& values : tap->seen) {
        seen.push_back(values);
        owners.push_back(g);
      }
  if (kind_ == "taylor" && !seen.empty()) {
    const torch::Tensor loss = objective->forward(features).total;
    EDGECLIP_CHECK(loss.defined(), "taylor with losses that are measured in training alone");
    gradients = torch::autograd::grad({loss}, seen, /*grad_outputs=*/{}, /*retain_graph=*/false, /*create_graph=*/false,
                                      /*allow_unused=*/true);
  }

  const torch::NoGradGuard no_grad;
  const torch::Tensor valid = model_->text_model->valid_tokens(inputs.tokens);  // (B, T)
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const PruneGroup& group = groups_[owners[i]];
    torch::Tensor score = by_units(seen[i].detach(), group.units);
    if (kind_ == "activation") {
      score = score.abs().sum(-1) * unit_norms(group, /*readers_alone=*/true);
    } else {
      if (!gradients[i].defined()) continue;  // of a view that no measured loss looks at
      score = (score * by_units(gradients[i], group.units)).sum(-1).abs();
    }
    // On the CPU no row is padding; elsewhere captions are padded to the longest.
    if (!group.vision && !score.device().is_cpu())
      score = score * valid.slice(1, 0, score.size(0) / valid.size(0)).flatten().unsqueeze(1);
    sums_[owners[i]] += score.sum(0);
  }
}

/// (units): the norm of each unit's weights.
torch::Tensor UnitImportance::unit_norms(const PruneGroup& group, bool readers_alone) const {
  const auto parameters = model_->named_parameters();
  torch::Tensor squares = sums_.front().new_zeros({group.units});
  for (const TensorSlice& slice : group.slices) {
    if (slice.applied == 0 || (readers_alone && !slice.reads)) continue;
    const torch::Tensor weight = parameters[slice.tensor].detach().to(torch::kFloat).transpose(0, slice.dim).flatten(1);
    squares += weight.reshape({group.units, -1}).square().sum(1);
  }
  return squares.sqrt();
}

std::vector<torch::Tensor> UnitImportance::scores() const {
  EDGECLIP_CHECK(batches_ > 0 || !reads_data());
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> means;
  for (std::size_t g = 0; g < sums_.size(); ++g) {
    means.push_back(!reads_data() ? unit_norms(groups_[g], false) : sums_[g] / static_cast<double>(batches_));
    if (const torch::Tensor odd = means.back().isfinite().logical_not().nonzero(); odd.size(0) > 0) {
      const auto unit = odd[0].item<std::int64_t>();
      invalid_input(
          "importance {}: {}: the score of number {} of its {} is {} on the calibration batches ({} of {} are no numbers); look for "
          "weights of the checkpoint that are not finite, or train it again with a lower rate",
          kind_, groups_[g].name, unit, prune_kind_name(groups_[g].kind), means.back()[unit].item<float>(), odd.size(0),
          means.back().size(0));
    }
  }
  return means;
}

}  // namespace edgeclip
