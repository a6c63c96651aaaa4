#include "train/validation.h"

#include <map>

#include "data/dataset/batch_order.h"
#include "model/eval_mode.h"
#include "train/checkpoint_encoder.h"
#include "train/ranked_encoder.h"

namespace edgeclip {

namespace {

/// Means over images, of all ranks.
class Means {
 public:
  void add(const std::string& name, double value, double images) {
    sums_[name].first += value * images;
    sums_[name].second += images;
  }
  std::vector<std::pair<std::string, double>> values(const std::vector<std::string>& names, Ranks& ranks) {
    std::vector<std::pair<std::string, double>> means;
    for (const std::string& name : names) {
      const auto [sum, images] = sums_[name];
      torch::Tensor both = torch::tensor({sum, images}, torch::kDouble);
      ranks.sum(both);
      means.emplace_back(name, both[0].item<double>() / both[1].item<double>());
    }
    return means;
  }

 private:
  std::map<std::string, std::pair<double, double>> sums_;
};

constexpr const char* kTotal = "";

}  // namespace

Validator::Validator(const Dataset& dataset, const std::string& split, const ImageTransform& image, int batch,
                     LoadingOptions loading, Ranks& ranks)
    : dataset_(dataset), split_(split), batch_(batch), ranks_(ranks) {
  LoaderOptions options;
  options.split = split;
  options.batch = batch;
  options.loading = loading.for_each_image();
  options.shuffle = options.drop_last = false;
  loader_ = std::make_unique<Loader>(dataset, image, options);
}

Validation Validator::run(const Checkpoint& checkpoint, Objective& objective) {
  Validation result;
  DualEncoder model = checkpoint.model;
  const EvalMode model_evaluates(*model), objective_evaluates(*objective);
  {
    const torch::NoGradGuard no_grad;
    const torch::Device device = model->logit_scale.device();
    Means means;
    // Whole batches to each rank, so that a loss over a batch is that of one process.
    const auto [begin, end] = part_of_rank(loader_->batches_per_epoch(), ranks_.rank(), ranks_.world());
    loader_->start_epoch(0, begin);  // always the same captions: losses of different steps compare
    const std::int64_t rounds = (loader_->batches_per_epoch() + ranks_.world() - 1) / ranks_.world();  // some ranks have one less
    for (std::int64_t k = begin; k < begin + rounds && !objective->measured().empty(); ++k) {
      ranks_.end_if_interrupted();
      if (k == end) continue;
      const auto batch = loader_->next();
      const auto n = static_cast<double>(batch->ids.size());
      const ObjectiveValue value =
          objective->forward(objective->features(model, inputs_of(*batch, device), /*bf16=*/false));
      means.add(kTotal, value.total.item<double>(), n);
      for (const auto& [name, part] : value.parts) means.add(name, part.item<double>(), n);
    }
    if (std::vector<std::string> names = objective->measured(); !names.empty()) {
      result.losses = means.values(names, ranks_);
      result.loss = means.values({kTotal}, ranks_).front().second;
    }
  }
  CheckpointEncoder own(checkpoint);
  RankedEncoder encoder(own, ranks_);
  EvaluateOptions options;
  options.split = split_;
  options.examples = kExamples;
  result.retrieval = evaluate(encoder, dataset_, options);
  return result;
}

Json to_json(const Validation& validation) {
  Json json = {{"loss", validation.loss ? Json(*validation.loss) : Json(nullptr)},
               {"losses", Json::object()}};
  for (const auto& [name, value] : validation.losses) json["losses"][name] = value;
  const Json retrieval = to_json(validation.retrieval);
  for (const char* direction : {"text_to_image", "image_to_text"}) json[direction] = retrieval[direction];
  return json;
}

}  // namespace edgeclip
