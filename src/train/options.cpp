#include <cmath>

#include "base/error.h"
#include "base/key_path.h"
#include "train/asked_options.h"
#include "train/score.h"
#include "train/train.h"

namespace edgeclip {

namespace {

void require(bool condition, const std::string& where, const char* key, double value, const char* rule) {
  if (!condition) invalid_input("{}{}: must be {}, is {}", where, key, rule, value);
}

}  // namespace

void ParameterGroupOptions::validate(const std::string& where) const {
  if (parameters.empty()) invalid_input("{}parameters: names nothing; name a module or parameter", where);
  require(std::isfinite(rate) && rate >= 0, where, "rate", rate, "0 or more");
  require(std::isfinite(weight_decay), where, "weight_decay", weight_decay, "a number");
}

void AverageOptions::validate(const std::string& where) const {
  require(decay >= 0 && decay < 1, where, "decay", decay, "at least 0 (off) and below 1");
}

void SavingOptions::validate(const std::string& where) const {
  require(every_steps >= 0, where, "every_steps", every_steps, "0 (by time alone) or more");
  require(std::isfinite(every_minutes) && every_minutes >= 0, where, "every_minutes", every_minutes,
          "0 (never) or more");
  require(keep >= 0, where, "keep", keep, "0 or more");
}

void QuantizationAwareOptions::validate(const std::string& where) const {
  if (const std::string key = first_difference(options_to_json(QuantizationAwareOptions()), options_to_json(*this));
      !enabled && !key.empty())
    invalid_input("{}{}: has no effect while {}enabled is false; set that to true, or leave it out", where, key, key_path(where));
  require(weight_bits == 7 || weight_bits == 8, where, "weight_bits", weight_bits, "7 or 8");
  require(momentum >= 0 && momentum < 1, where, "momentum", momentum, "at least 0 and below 1");
  require(start >= 0 && start < 1, where, "start", start, "at least 0 and below 1");
  require(freeze > 0 && freeze <= 1 && freeze >= start, where, "freeze", freeze, "above 0, at least start and at most 1");
}

void EarlyStoppingOptions::validate(const std::string& where) const {
  require(patience >= 0, where, "patience", patience, "0 (off) or more");
  require(std::isfinite(min_delta) && min_delta >= 0, where, "min_delta", min_delta, "0 or more");
  if (patience == 0 && min_delta > 0)
    invalid_input("{}min_delta: has no effect without {}patience; set that too, or leave it out", where, key_path(where));
}

void TrainOptions::validate(const std::string& where) const {
  const std::string at = key_path(where);
  model.validate(where + "model.");
  ImageTransform sized = image;
  sized.height = model.vision.image_height;
  sized.width = model.vision.image_width;
  sized.validate(where + "image.");
  const auto& o = optimizer;
  o.ScheduleOptions::validate(where + "optimizer.");
  require(std::isfinite(o.weight_decay) && o.weight_decay >= 0, where, "optimizer.weight_decay",
          o.weight_decay, "0 or more");
  require(o.beta1 >= 0 && o.beta1 < 1, where, "optimizer.beta1", o.beta1, "at least 0 and below 1");
  require(o.beta2 >= 0 && o.beta2 < 1, where, "optimizer.beta2", o.beta2, "at least 0 and below 1");
  require(std::isfinite(o.eps) && o.eps > 0, where, "optimizer.eps", o.eps, "positive");
  require(o.max_skipped >= 0, where, "optimizer.max_skipped", o.max_skipped, "0 (none) or more");
  require(std::isfinite(o.clip_norm) && o.clip_norm >= 0, where, "optimizer.clip_norm", o.clip_norm,
          "0 (off) or more");
  for (std::size_t i = 0; i < o.groups.size(); ++i)
    o.groups[i].validate(fmt::format("{}optimizer.groups[{}].", where, i));
  lora.validate(where + "lora.");
  if (const std::string key = first_difference(options_to_json(LoraOptions()), options_to_json(lora));
      lora_mode == "none" && !key.empty())
    invalid_input(
        "{0}lora.{2}: has no effect while {1}lora_mode is none and all weights train; set {1}lora_mode to "
        "adapter, or leave {1}lora.* out",
        where, at, key);
  if (base_type != "fp32" && lora_mode == "none")
    invalid_input(
        "{}base_type: {}: only the frozen base of an adapter (lora_mode \"adapter\") may be stored so", where,
        base_type);
  quantization_aware.validate(where + "quantization_aware.");
  if (quantization_aware.enabled && lora_mode != "none" && lora.dropout > 0)
    invalid_input(
        "{0}lora.dropout: what is rounded to int8 is the weight with the adapter in it, of which no input can be dropped; set "
        "{1}lora.dropout to 0, or {1}quantization_aware.enabled to false",
        where, at);
  if (keep_zeros && lora_mode != "none")
    invalid_input("{0}keep_zeros: an adapter fills the zeros of the weights that it is added to; set {0}lora_mode to none, or leave it out",
                  where);
  if (saving.base && lora_mode == "none")
    invalid_input("{}saving.base: only an adapter (lora_mode) leaves a base out; leave it out", where);
  if (!train.empty() && lora_mode == "none")
    invalid_input(
        "{0}train: has no effect while {1}lora_mode is none and all weights train; name in {1}freeze what does not, "
        "or set {1}lora_mode to adapter",
        where, at);
  loading.validate(where + "loading.");
  losses.validate(where + "losses.");
  require_score(best_by, losses, where + "best_by");
  average.validate(where + "average.");
  saving.validate(where + "saving.");
  early_stopping.validate(where + "early_stopping.");
  augment.validate(where + "augment.");
  if (losses.self_supervision.weight > 0 && !augment.changes_images())
    invalid_input(
        "{0}losses.self_supervision: {1}augment changes no image, so that two views of it are the same; give "
        "{1}augment.color_jitter or {1}augment.resized_crop a probability, or set {1}losses.self_supervision.weight to 0",
        where, at);
  require(batch >= 2, where, "batch", batch, "at least 2: a pair is told from the others of its batch");
  require(micro_batch >= 0 && micro_batch <= batch, where, "micro_batch", micro_batch,
          "0 (the whole batch at once) or at most batch");
  require(epochs >= 0, where, "epochs", epochs, "0 or more");
  require(steps >= 0, where, "steps", steps, "0 or more");
  require(validate_every >= 0, where, "validate_every", validate_every, "0 (each epoch) or more");
}

}  // namespace edgeclip
