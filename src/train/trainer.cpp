#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/hash.h"
#include "base/log.h"
#include "base/signals.h"
#include "train/gradient_norms.h"
#include "train/losses/contrastive.h"
#include "train/precision.h"
#include "train/score.h"
#include "train/start.h"
#include "train/zero_weights.h"

namespace edgeclip {

namespace {

constexpr std::int64_t kHistogramEvery = 50;  ///< steps: reading every gradient once more is seen at each

/// A run replaces its own checkpoints again and again; a note that somebody puts into one must not end it.
const FolderRules kReplaceOwn = {true, {}, /*keep_others=*/true};

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

LoaderOptions loader_options(const TrainOptions& options, int rank, int world) {
  LoaderOptions loader;
  loader.split = "train";
  loader.batch = options.batch;
  loader.seed = options.seed;
  loader.loading = options.loading;
  loader.augment = options.augment;
  loader.rank = rank;
  loader.world = world;
  loader.second_view = options.losses.self_supervision.weight > 0;
  return loader;
}

Trainer::Trainer(Checkpoint& checkpoint, Objective& objective, const Dataset& dataset,
                 const TrainOptions& options, RunFolder* run, Ranks& ranks)
    : checkpoint_(checkpoint),
      objective_(objective),
      dataset_(dataset),
      options_(options),
      run_(run),
      ranks_(ranks),
      bf16_(use_bf16(options.precision, checkpoint.model->logit_scale.device().is_cpu())),
      loader_(dataset, checkpoint.card.image, loader_options(options, ranks.rank(), ranks.world())),
      gradient_(checkpoint.model, objective, bf16_, options.micro_batch, ranks),
      parameters_(grouped_parameters(checkpoint, objective, options)),
      optimizer_(parameters_, options.optimizer),
      average_(options.average.decay > 0 ? std::make_unique<WeightAverage>(parameters_, options.average.decay)
                                         : nullptr),
      guard_(checkpoint.model) {
  position_.batches_per_epoch = loader_.batches_per_epoch();
  total_steps_ = options.steps > 0 ? options.steps : options.epochs * position_.batches_per_epoch;
  if (const Teacher* const teacher = objective->teacher()) {
    const LoaderOptions loading = loader_options(options);
    const auto& distillation = options.losses.distillation;
    teacher_memory_ = teacher_memory_plan(dataset, loading, teacher->config(), total_steps_ * loading.rows(),
                                          distillation.hidden.weight > 0, distillation.cache_mb);
  }
  quantization_.emplace(options.quantization_aware, checkpoint.model, dataset, total_steps_, ranks);
  collect_state();
  schedule_.emplace(options.optimizer, total_steps_, position_.batches_per_epoch);
  if (has_split(dataset, "val"))
    validator_ =
        std::make_unique<Validator>(dataset, "val", checkpoint.card.image, options.batch, options.loading, ranks);
  else
    spdlog::warn("{}: has no split \"val\", so nothing is validated and best is the last step", dataset.name);
  if (validator_ == nullptr && options.early_stopping.patience > 0)
    spdlog::warn("early_stopping.patience: nothing is validated, so the run does not stop early");
}

void Trainer::collect_state() {
  state_.add(state_of_weights(checkpoint_.model));
  state_.add(state_of_objective(objective_));
  state_.add(state_of_optimizer(optimizer_));
  if (average_) state_.add(state_of_average(*average_));
  if (auto part = quantization_->state()) state_.add(std::move(*part));
  state_.add(state_of_generators(checkpoint_.model->logit_scale.device()));
  state_.hold_to([model = checkpoint_.model] { return frozen_weights(model); });
}

void Trainer::resume(const std::filesystem::path& state) {
  const std::int64_t batches = position_.batches_per_epoch;
  ranks_.require_same(ranks_.alone() ? "" : hash_file(state), "another state.safetensors");
  position_ = state_.load(state);
  unsaved_ = false;
  saved_step_ = position_.step;
  if (position_.batches_per_epoch != batches || position_.step < 0 || position_.step > total_steps_)
    invalid_input(
        "{}: is at step {} with {} batches per epoch, this dataset has {} (and {} steps in all); resume with "
        "the "
        "dataset the run was started with",
        state.string(), position_.step, position_.batches_per_epoch, batches, total_steps_);
  if (position_.stopped_early)
    spdlog::info("stopped early after step {}, as {} got no better", position_.step, options_.best_by);
  else if (position_.step == total_steps_)
    spdlog::info("all {} steps are done; --init {} trains on, with another --out", total_steps_,
                 (state.parent_path() / "final").string());
  else
    spdlog::info("resuming after step {} of {}", position_.step, total_steps_);
}

Json Trainer::fit() {
  require_finite_start();
  if (run_ != nullptr) log_.emplace(run_->metrics(), run_->events(), position_.step > 0 ? position_.step : -1);
  checkpoint_.model->train();
  objective_->train();
  progress_.emplace(total_steps_ - position_.step);
  stall_.emplace(std::max(schedule_->warmup_steps(), position_.step), total_steps_);
  // All ranks end at the same place, and none in the midst of what they do together.
  std::optional<InterruptionHeld> held;
  if (!ranks_.alone()) held.emplace();
  try {
    remember_teacher();
    for (;;) {
      if (validation_due()) validate();
      if (done()) break;
      ranks_.end_if_interrupted();
      train_step();
      if (saving_due()) save();
    }
  } catch (const Interrupted&) {
    const bool kept = run_ == nullptr || !run_->replaces_another();
    if (kept) finish();
    ranks_.leave();  // a launcher ends the others as soon as one has ended, and rank 0 saves
    if (!kept) throw Interrupted("interrupted before anything was saved; the older run stays");
    if (run_ != nullptr) throw Interrupted("interrupted; go on with --resume");
    throw;
  } catch (const std::exception& error) {
    ranks_.abandon(error.what());
    keep_after_failure();
    throw;
  }
  progress_->finish();
  if (position_.best_step < 0) {
    const WeightAverage::InUse averaged(average_.get());
    save_best();
  }
  finish();

  if (const auto corrupt = loader_.corrupt_images(); corrupt > 0)
    spdlog::warn("{} images could not be read and were left out", corrupt);
  Json report = {{"steps", position_.step}, {"epochs", epoch()}, {"loss", loss_}};
  report["parameters"] = {{"trained", optimizer_.trained_elements()}};
  report["skipped_steps"] = position_.skipped_steps;
  report["stopped_early"] = position_.stopped_early;
  report["precision"] = bf16_ ? "bf16" : "fp32";
  report["corrupt_images"] = loader_.corrupt_images();
  report["unreadable_percent"] =
      100.0 * static_cast<double>(loader_.corrupt_images()) / static_cast<double>(loader_.images());
  report["seconds"] = step_seconds_;
  report["images_per_s"] =
      step_seconds_ > 0 ? Json(static_cast<double>(images_) / step_seconds_) : Json(nullptr);
  report["val"] = position_.last_validation;
  report["best"] = {{"step", position_.best_step}, {"by", options_.best_by}, {"val", position_.best_validation}};
  return report;
}

void Trainer::keep_after_failure() {
  if (run_ == nullptr || run_->replaces_another() || position_.step == 0 || updating_) return;
  try {
    if (in_step_) guard_.undo_all(parameters_);
    finish();
    spdlog::warn("{} holds what was trained up to step {}; go on with --resume", run_->directory().string(),
                 position_.step);
  } catch (const std::exception&) {  // a full disk, say: the state saved before is still whole
  }
}

void Trainer::remember_teacher() {
  if (!teacher_memory_.keeps() || done()) return;
  spdlog::info("the teacher is asked once of {} ({:.1f} MiB are kept)",
               !teacher_memory_.images     ? "each caption"
               : !teacher_memory_.captions ? "each image"
                                           : "each caption and each image",
               static_cast<double>(teacher_memory_.bytes) / (1024.0 * 1024.0));
  objective_->teacher()->remember(teacher_memory_, dataset_, checkpoint_.card.image, loader_options(options_),
                                  checkpoint_.model->logit_scale.device(), compute_type(bf16_), ranks_);
}

void Trainer::train_step() {
  const double start = seconds_now();
  // Each rank's dropout draws for itself, and does so again when the run goes on.
  if (!ranks_.alone())
    torch::manual_seed(options_.seed + static_cast<std::uint64_t>(position_.step * ranks_.world() + ranks_.rank()) *
                                           0x9E3779B97F4A7C15ull);
  const Batch batch = next_batch();
  const auto& o = options_.optimizer;
  const double lr = schedule_->rate(position_.step);

  guard_.begin();
  in_step_ = true;
  quantization_->begin_step(position_.step);
  const ObjectiveValue value = gradient_(batch);
  loss_ = value.total.item<double>();
  if (options_.keep_zeros) drop_gradients_of_zeros(checkpoint_.model);
  const double norm = optimizer_.gradient_norm();
  if (!std::isfinite(loss_) || !std::isfinite(norm)) return skip_step(loss_, norm);
  if (log_ && (position_.step == 0 || (position_.step + 1) % kHistogramEvery == 0))
    log_->gradient_norms(position_.step + 1, gradient_norms(parameters_));
  quantization_->end_step(/*counts=*/true);
  in_step_ = false;
  updating_ = true;
  optimizer_.step(lr, clip_scale(norm, o.clip_norm));
  optimizer_.zero_gradients();
  if (torch::Tensor& scale = checkpoint_.model->logit_scale; scale.requires_grad()) clamp_logit_scale(scale);
  if (average_) average_->add(optimizer_.steps());
  position_.skipped_in_a_row = 0;
  ++position_.step;
  unsaved_ = true;
  updating_ = false;

  const double seconds = seconds_now() - start;
  const auto images = static_cast<std::int64_t>(batch.ids.size()) * ranks_.world();
  step_seconds_ += seconds;
  images_ += images;
  const Json parts = values_of(value.parts);
  progress_->step(loss_, images, seconds);
  if (parts.contains("contrastive"))
    if (const std::string stalled = stall_->see(position_.step, parts["contrastive"], images); !stalled.empty())
      spdlog::warn("{}", stalled);
  if (log_)
    log_->write({{"step", position_.step},
                 {"epoch", epoch()},
                 {"lr", lr},
                 {"loss", loss_},
                 {"losses", parts},
                 {"grad_norm", norm},
                 {"logit_scale", checkpoint_.model->logit_scale.item<double>()},
                 {"images_per_s", static_cast<double>(images) / seconds}});
}

void Trainer::skip_step(double loss, double norm) {
  require_finite_weights();  // such weights give no better step
  quantization_->end_step(/*counts=*/false);
  const std::string where = guard_.damaged_gradient(parameters_);
  guard_.undo(parameters_);
  in_step_ = false;
  if (position_.skipped_in_a_row >= options_.optimizer.max_skipped)
    end_as_not_finite(fmt::format("the loss is {} and the gradient's norm {}: {}", loss, norm, where));
  spdlog::warn("step {} is left out: the loss is {} and the gradient's norm {}: {}", position_.step, loss, norm, where);
  ++position_.skipped_in_a_row;
  ++position_.skipped_steps;
  ++position_.step;
  unsaved_ = true;
  progress_->left_out();
  if (log_) log_->write({{"step", position_.step}, {"epoch", epoch()}, {"skipped", where}});
}

void Trainer::require_finite_weights() const {
  if (const std::string name = StepGuard::damaged_weight(parameters_); !name.empty())
    end_as_not_finite(fmt::format("the weight {} is not finite", name));
}

/// Of what does not train as well, which no step makes worse.
void Trainer::require_finite_start() const {
  if (const std::string name = guard_.damaged_weight(); !name.empty())
    invalid_input("the weight {} is not finite before the first step; start from another checkpoint", name);
}

void Trainer::end_as_not_finite(const std::string& what) const {
  invalid_input("step {}: {}; lower optimizer.lr (now {})", position_.step, what, options_.optimizer.lr);
}

Batch Trainer::next_batch() {
  const std::int64_t epoch = position_.step / position_.batches_per_epoch,
                     skip = position_.step % position_.batches_per_epoch;
  if (!epoch_started_ || skip == 0) loader_.start_epoch(epoch, skip);
  epoch_started_ = true;
  std::optional<Batch> batch = loader_.next();
  EDGECLIP_CHECK(batch.has_value(), "epoch {} ended before batch {} of {}", epoch, skip,
                 position_.batches_per_epoch);
  return std::move(*batch);
}

bool Trainer::validation_due() const {
  if (position_.step == 0 || position_.validated_step == position_.step) return false;
  const std::int64_t every = options_.validate_every > 0 ? options_.validate_every : position_.batches_per_epoch;
  return position_.step == total_steps_ || position_.step % every == 0;
}

bool Trainer::saving_due() const {
  if (run_ == nullptr || done() || validation_due()) return false;  // what follows saves
  const SavingOptions& saving = options_.saving;
  if (saving.every_steps > 0 && position_.step - saved_step_ >= saving.every_steps) return true;
  const std::chrono::duration<double, std::ratio<60>> since = Clock::now() - saved_at_;
  return saving.every_minutes > 0 && since.count() >= saving.every_minutes;
}

void Trainer::validate() {
  if (validator_ != nullptr) {
    // Nothing can be said of a model in the middle of such steps, and it may give no finite features at all.
    if (position_.skipped_in_a_row > 0) {
      spdlog::warn("step {}: not validated, as the last step was left out", position_.step);
      position_.validated_step = position_.step;
      return;
    }
    const WeightAverage::InUse averaged(average_.get());
    const QuantizationAware::Measuring rounded(*quantization_);
    const Validation validation = validator_->run(checkpoint_, objective_);
    position_.last_validation = to_json(validation);
    if (run_ != nullptr)
      write_json(run_->examples(),
                 {{"step", position_.step}, {"examples", to_json(validation.retrieval.examples)}});
    progress_->validated(validation.retrieval.text_to_image.r1);
    if (log_) log_->write({{"step", position_.step}, {"epoch", epoch()}, {"val", position_.last_validation}});
    spdlog::info("step {}: validation{}, text to image R@1 {:.1f} %, mAP {:.1f} %", position_.step,
                 validation.loss ? fmt::format(" loss {:.3f}", *validation.loss) : "",
                 validation.retrieval.text_to_image.r1, validation.retrieval.text_to_image.map);
    const double score = score_of(position_.last_validation, options_.best_by);
    const bool first = position_.best_step < 0 || std::isnan(position_.best_score);
    position_.validations_waited =
        first || score > position_.best_score + options_.early_stopping.min_delta ? 0 : position_.validations_waited + 1;
    if (first || score > position_.best_score) {
      save_best();
      position_.best_score = score;
      position_.best_validation = position_.last_validation;
    }
    const int patience = options_.early_stopping.patience;
    // The ranks' metrics may differ in their last bits, where their CPUs do; what they do must not.
    position_.stopped_early = ranks_.any(patience > 0 && position_.validations_waited >= patience && position_.step < total_steps_);
    if (position_.stopped_early)
      spdlog::info("stopping after step {}: {} got no better in {} validations", position_.step, options_.best_by,
                   patience);
  }
  position_.validated_step = position_.step;
  if (run_ != nullptr) save();
}

void Trainer::save_best() {
  if (run_ != nullptr) save_checkpoint_at(run_->best());
  position_.best_step = position_.step;
  unsaved_ = true;
}

void Trainer::save_checkpoint_at(const std::filesystem::path& place) {
  quantization_->describe(checkpoint_);
  save_checkpoint(place, checkpoint_, kReplaceOwn, run_->stands_at(place));
}

void Trainer::finish() {
  require_finite_weights();
  checkpoint_.card = card_of(checkpoint_.model, checkpoint_.card);
  if (run_ == nullptr) return;
  {
    const WeightAverage::InUse averaged(average_.get());
    save_checkpoint_at(run_->final());
  }
  if (unsaved_) save_state();  // the last validation may have
  run_->keep();
}

void Trainer::save() {
  require_finite_weights();
  save_state();
}

void Trainer::save_state() {
  state_.save(run_->state(), position_);
  unsaved_ = false;
  if (options_.saving.keep > 0) {
    const WeightAverage::InUse averaged(average_.get());
    save_checkpoint_at(run_->checkpoint(position_.step));
    run_->keep_checkpoints(options_.saving.keep);
  }
  run_->keep();
  saved_step_ = position_.step;
  saved_at_ = Clock::now();
}

double Trainer::epoch() const {
  return static_cast<double>(position_.step) / static_cast<double>(position_.batches_per_epoch);
}

}  // namespace edgeclip
