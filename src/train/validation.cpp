#include "train/validation.h"

#include "model/eval_mode.h"
#include "train/checkpoint_encoder.h"
#include "train/losses.h"
#include "train/precision.h"

namespace edgeclip {

torch::Tensor batch_loss(DualEncoder& model, const Batch& batch, bool identity_targets, bool bf16) {
  const torch::Tensor pixels = from_tensor(batch.pixels.view());
  const torch::Tensor tokens = from_tensor(batch.tokens.view()).to(torch::kInt64);
  torch::Tensor image, text;
  {
    const Autocast autocast(bf16);
    image = model->encode_image(pixels);
    text = model->encode_text(tokens);
  }
  return contrastive_loss(image, text, model->logit_scale,
                          identity_targets ? batch.ids : std::vector<std::int64_t>{});
}

Validator::Validator(const Dataset& dataset, const std::string& split, const ImageTransform& image, int batch,
                     bool identity_targets, LoadingOptions loading)
    : dataset_(dataset), split_(split), batch_(batch), identity_targets_(identity_targets) {
  LoaderOptions options;
  options.split = split;
  options.batch = batch;
  options.loading = loading.for_each_image();
  options.shuffle = options.drop_last = false;
  loader_ = std::make_unique<Loader>(dataset, image, options);
}

Validation Validator::run(const Checkpoint& checkpoint) {
  Validation result;
  DualEncoder model = checkpoint.model;
  const EvalMode eval(*model);
  {
    const torch::NoGradGuard no_grad;
    double sum = 0;
    std::int64_t images = 0;
    loader_->start_epoch(0);  // always the same captions: losses of different steps compare
    while (const auto batch = loader_->next()) {
      const auto n = static_cast<std::int64_t>(batch->ids.size());
      sum += batch_loss(model, *batch, identity_targets_, /*bf16=*/false).item<double>() *
             static_cast<double>(n);
      images += n;
    }
    result.loss = sum / static_cast<double>(std::max<std::int64_t>(images, 1));
  }
  CheckpointEncoder encoder(checkpoint);
  EvaluateOptions options;
  options.split = split_;
  result.retrieval = evaluate(encoder, dataset_, options);
  return result;
}

Json to_json(const Validation& validation) {
  Json json = {{"loss", validation.loss}};
  const Json retrieval = to_json(validation.retrieval);
  for (const char* direction : {"text_to_image", "image_to_text"}) json[direction] = retrieval[direction];
  return json;
}

}  // namespace edgeclip
