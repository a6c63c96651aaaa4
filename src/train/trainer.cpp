#include "train/trainer.h"

#include <chrono>
#include <cmath>

#include "base/log.h"
#include "base/signals.h"
#include "train/losses/contrastive.h"
#include "train/precision.h"
#include "train/schedule.h"
#include "train/start.h"

namespace edgeclip {

namespace {

/// A run replaces its own checkpoints again and again; a note that somebody puts into one must not end it.
const FolderRules kReplaceOwn = {true, {}, /*keep_others=*/true};

LoaderOptions loader_options(const TrainOptions& options) {
  LoaderOptions loader;
  loader.split = "train";
  loader.batch = options.batch;
  loader.seed = options.seed;
  loader.loading = options.loading;
  loader.augment = options.augment;
  return loader;
}

std::vector<TrainedParameter> grouped_parameters(const Checkpoint& checkpoint, const Objective& objective,
                                                 const TrainOptions& options) {
  std::vector<TrainedParameter> parameters = trained_parameters(*checkpoint.model, *objective);
  apply_groups(parameters, options.optimizer.groups, "optimizer.");
  return parameters;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Json values_of(const std::vector<std::pair<std::string, torch::Tensor>>& parts) {
  Json json = Json::object();
  for (const auto& [name, part] : parts) json[name] = part.item<double>();
  return json;
}

}  // namespace

Trainer::Trainer(Checkpoint& checkpoint, Objective& objective, const Dataset& dataset,
                 const TrainOptions& options, RunFolder* run)
    : checkpoint_(checkpoint),
      objective_(objective),
      options_(options),
      run_(run),
      bf16_(use_bf16(options.precision, checkpoint.model->logit_scale.device().is_cpu())),
      loader_(dataset, checkpoint.card.image, loader_options(options)),
      gradient_(checkpoint.model, objective, bf16_, options.micro_batch),
      optimizer_(grouped_parameters(checkpoint, objective, options), options.optimizer) {
  state_.batches_per_epoch = loader_.batches_per_epoch();
  total_steps_ = options.steps > 0 ? options.steps : options.epochs * state_.batches_per_epoch;
  if (run == nullptr) return;
  if (has_split(dataset, "val"))
    validator_ =
        std::make_unique<Validator>(dataset, "val", checkpoint.card.image, options.batch, options.loading);
  else
    spdlog::warn("{}: has no split \"val\", so nothing is validated and best is the last step", dataset.name);
}

void Trainer::resume() {
  EDGECLIP_CHECK(run_ != nullptr);
  const std::int64_t batches = state_.batches_per_epoch;
  state_ = load_run_state(run_->state(), checkpoint_.model, objective_, optimizer_);
  if (state_.batches_per_epoch != batches || state_.step < 0 || state_.step > total_steps_)
    invalid_input(
        "{}: is at step {} with {} batches per epoch, this dataset has {} (and {} steps in all); resume with "
        "the "
        "dataset the run was started with",
        run_->state().string(), state_.step, state_.batches_per_epoch, batches, total_steps_);
  if (state_.step == total_steps_)
    spdlog::info("all {} steps are done; --init {} trains on, with another --out", total_steps_,
                 run_->final().string());
  else
    spdlog::info("resuming after step {} of {}", state_.step, total_steps_);
}

Json Trainer::fit() {
  if (run_ != nullptr) log_.emplace(run_->metrics(), state_.step > 0 ? state_.step : -1);
  checkpoint_.model->train();
  objective_->train();
  progress_.emplace("train", total_steps_ - state_.step, "steps");
  try {
    for (;;) {
      if (validation_due()) validate();
      if (state_.step >= total_steps_) break;
      throw_if_interrupted();
      train_step();
    }
  } catch (const Interrupted&) {
    if (run_ != nullptr && run_->replaces_another())  // nothing has been kept of this one yet
      throw Interrupted("interrupted before the first validation; the older run stays");
    finish();
    if (run_ != nullptr) throw Interrupted("interrupted; go on with --resume");
    throw;
  } catch (...) {
    keep_after_failure();
    throw;
  }
  progress_->finish();
  if (state_.best_step < 0) save_best();
  finish();

  if (const auto corrupt = loader_.corrupt_images(); corrupt > 0)
    spdlog::warn("{} images could not be read and were left out", corrupt);
  Json report = {{"steps", state_.step}, {"epochs", epoch()}, {"loss", loss_}};
  report["parameters"] = {{"trained", optimizer_.trained_elements()}};
  report["precision"] = bf16_ ? "bf16" : "fp32";
  report["corrupt_images"] = loader_.corrupt_images();
  report["unreadable_percent"] =
      100.0 * static_cast<double>(loader_.corrupt_images()) / static_cast<double>(loader_.images());
  report["seconds"] = step_seconds_;
  report["images_per_s"] =
      step_seconds_ > 0 ? Json(static_cast<double>(images_) / step_seconds_) : Json(nullptr);
  report["val"] = state_.last_validation;
  report["best"] = {{"step", state_.best_step}, {"by", options_.best_by}, {"val", state_.best_validation}};
  return report;
}

void Trainer::keep_after_failure() {
  if (run_ == nullptr || run_->replaces_another() || state_.step == 0 || updating_) return;
  try {
    finish();
    spdlog::warn("{} holds what was trained up to step {}; go on with --resume", run_->directory().string(),
                 state_.step);
  } catch (const std::exception&) {  // a full disk, say: the state saved before is still whole
  }
}

void Trainer::train_step() {
  const double start = seconds_now();
  const Batch batch = next_batch();
  const auto& o = options_.optimizer;
  const auto warmup = static_cast<std::int64_t>(std::llround(o.warmup * static_cast<double>(total_steps_)));
  const double lr = learning_rate(state_.step, total_steps_, warmup, o.lr, o.min_lr_ratio);

  const ObjectiveValue value = gradient_(batch);
  loss_ = value.total.item<double>();
  const double norm = optimizer_.gradient_norm();
  if (!std::isfinite(loss_) || !std::isfinite(norm))
    invalid_input("step {}: the loss is {} and the gradient's norm {}; lower optimizer.lr (now {})",
                  state_.step, loss_, norm, o.lr);
  updating_ = true;
  optimizer_.step(lr, clip_scale(norm, o.clip_norm));
  optimizer_.zero_gradients();
  if (torch::Tensor& scale = checkpoint_.model->logit_scale; scale.requires_grad()) clamp_logit_scale(scale);
  ++state_.step;
  updating_ = false;

  const double seconds = seconds_now() - start;
  const auto images = static_cast<std::int64_t>(batch.ids.size());
  step_seconds_ += seconds;
  images_ += images;
  progress_->advance(1, fmt::format("loss {:.3f}", loss_));
  if (log_)
    log_->write({{"step", state_.step},
                 {"epoch", epoch()},
                 {"lr", lr},
                 {"loss", loss_},
                 {"losses", values_of(value.parts)},
                 {"grad_norm", norm},
                 {"logit_scale", checkpoint_.model->logit_scale.item<double>()},
                 {"images_per_s", static_cast<double>(images) / seconds}});
}

Batch Trainer::next_batch() {
  const std::int64_t epoch = state_.step / state_.batches_per_epoch,
                     skip = state_.step % state_.batches_per_epoch;
  if (!epoch_started_ || skip == 0) loader_.start_epoch(epoch, skip);
  epoch_started_ = true;
  std::optional<Batch> batch = loader_.next();
  EDGECLIP_CHECK(batch.has_value(), "epoch {} ended before batch {} of {}", epoch, skip,
                 state_.batches_per_epoch);
  return std::move(*batch);
}

bool Trainer::validation_due() const {
  if (run_ == nullptr || state_.step == 0 || state_.validated_step == state_.step) return false;
  const std::int64_t every = options_.validate_every > 0 ? options_.validate_every : state_.batches_per_epoch;
  return state_.step == total_steps_ || state_.step % every == 0;
}

void Trainer::validate() {
  if (validator_ != nullptr) {
    save_state();  // what validation reads may be damaged, and the epoch must not go with it
    const Validation validation = validator_->run(checkpoint_, objective_);
    state_.last_validation = to_json(validation);
    log_->write({{"step", state_.step}, {"epoch", epoch()}, {"val", state_.last_validation}});
    spdlog::info("step {}: validation{}, text to image R@1 {:.1f} %, mAP {:.1f} %", state_.step,
                 validation.loss ? fmt::format(" loss {:.3f}", *validation.loss) : "",
                 validation.retrieval.text_to_image.r1, validation.retrieval.text_to_image.map);
    const double score =
        options_.best_by == "loss" ? -validation.loss.value() : validation.retrieval.text_to_image.map;
    if (state_.best_step < 0 || score > state_.best_score) {
      state_.best_score = score;
      state_.best_validation = state_.last_validation;
      save_best();
    }
  }
  state_.validated_step = state_.step;
  save_state();
  run_->keep();
}

void Trainer::save_best() {
  state_.best_step = state_.step;
  if (run_ == nullptr) return;
  save_checkpoint(run_->best(), checkpoint_, kReplaceOwn);
}

void Trainer::finish() {
  checkpoint_.card = card_of(checkpoint_.model, checkpoint_.card);
  if (run_ == nullptr) return;
  save_checkpoint(run_->final(), checkpoint_, kReplaceOwn);
  save_state();
  run_->keep();
}

void Trainer::save_state() {
  save_run_state(run_->state(), checkpoint_.model, objective_, optimizer_, state_);
}

double Trainer::epoch() const {
  return static_cast<double>(state_.step) / static_cast<double>(state_.batches_per_epoch);
}

}  // namespace edgeclip
