#include "train/validation.h"

#include <map>

#include "model/eval_mode.h"
#include "train/checkpoint_encoder.h"

namespace edgeclip {

namespace {

/// Means over images.
class Mean {
 public:
  void add(double value, double images) {
    sum_ += value * images;
    images_ += images;
  }
  double value() const { return sum_ / images_; }

 private:
  double sum_ = 0, images_ = 0;
};

}  // namespace

Validator::Validator(const Dataset& dataset, const std::string& split, const ImageTransform& image, int batch,
                     LoadingOptions loading)
    : dataset_(dataset), split_(split), batch_(batch) {
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
    Mean total;
    std::map<std::string, Mean> parts;
    loader_->start_epoch(0);  // always the same captions: losses of different steps compare
    while (const auto batch = loader_->next()) {
      const auto n = static_cast<double>(batch->ids.size());
      const ObjectiveValue value =
          objective->forward(objective->features(model, inputs_of(*batch, device), /*bf16=*/false));
      if (!value.total.defined()) break;
      total.add(value.total.item<double>(), n);
      for (const auto& [name, part] : value.parts) parts[name].add(part.item<double>(), n);
      result.loss = total.value();
    }
    for (const auto& [name, part] : parts) result.losses.emplace_back(name, part.value());
  }
  CheckpointEncoder encoder(checkpoint);
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
