#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "train/gradient_step.h"
#include "train/quantization_aware.h"
#include "train/run_folder.h"
#include "train/run_log.h"
#include "train/run_state.h"
#include "train/schedule.h"
#include "train/stall_watch.h"
#include "train/step_guard.h"
#include "train/training_progress.h"
#include "train/validation.h"

namespace edgeclip {

/// What the batches of a training are made by, for one rank of several.
LoaderOptions loader_options(const TrainOptions& options, int rank = 0, int world = 1);

/// Trains a checkpoint in memory, and writes what is to be kept of it into a run folder.
class Trainer {
 public:
  /// Trains what of checkpoint.model requires a gradient, on split "train" of dataset, whose tokens must be
  /// the checkpoint's (adopt_tokenizer), towards objective; validates on split "val".  run: where metrics, best, final and state
  /// are written; nullptr in all ranks but the first.  All arguments outlive the trainer.
  Trainer(Checkpoint& checkpoint, Objective& objective, const Dataset& dataset, const TrainOptions& options,
          RunFolder* run, Ranks& ranks);

  /// Goes on from a run folder's state, exactly as if there had been no break.
  void resume(const std::filesystem::path& state);

  /// Trains to the last step; returns the report.  Throws Interrupted on a signal, after the step is finished
  /// and final and state are written (before the first step a run that would replace another is given up);
  /// InvalidInput, with everything before kept, if loss or gradient are not finite more often in a row than
  /// optimizer.max_skipped.
  Json fit();

  /// What is kept in memory of what a teacher says, from fit() on.
  std::int64_t teacher_bytes() const { return teacher_memory_.bytes; }

 private:
  using Clock = std::chrono::steady_clock;

  void train_step();
  void remember_teacher();
  /// Leaves a step out; throws InvalidInput if that was one too many.
  void skip_step(double loss, double norm);
  /// Weights that are not finite must not take the place of those that were saved.
  void require_finite_weights() const;
  void require_finite_start() const;
  [[noreturn]] void end_as_not_finite(const std::string& what) const;
  void collect_state();
  /// After a failure (a full machine, an image that cannot be read, a loss that is not finite) that left the
  /// weights those of a whole step: saves them.
  void keep_after_failure();
  Batch next_batch();
  bool done() const { return position_.step >= total_steps_ || position_.stopped_early; }
  bool validation_due() const;
  bool saving_due() const;
  void validate();
  void save_best();
  void save_checkpoint_at(const std::filesystem::path& place);
  void save();
  /// The same, of weights that have been looked at.
  void save_state();
  void finish();
  double epoch() const;

  Checkpoint& checkpoint_;
  Objective& objective_;
  const Dataset& dataset_;
  const TrainOptions options_;
  RunFolder* const run_;
  Ranks& ranks_;
  const bool bf16_;
  Loader loader_;
  std::unique_ptr<Validator> validator_;
  GradientStep gradient_;
  std::vector<TrainedParameter> parameters_;
  AdamW optimizer_;
  std::unique_ptr<WeightAverage> average_;  ///< or null
  StepGuard guard_;
  std::optional<QuantizationAware> quantization_;
  std::optional<Schedule> schedule_;
  std::optional<RunLog> log_;
  std::optional<TrainingProgress> progress_;
  std::optional<StallWatch> stall_;
  RunState state_;
  RunPosition position_;
  Clock::time_point saved_at_ = Clock::now();
  std::int64_t saved_step_ = 0;
  bool unsaved_ = true;  ///< something has changed since the state was saved or loaded
  std::int64_t total_steps_ = 0;
  TeacherMemoryPlan teacher_memory_;
  bool epoch_started_ = false;
  bool in_step_ = false;   ///< its gradient is being computed
  bool updating_ = false;  ///< in the middle of a step's update
  double loss_ = 0, step_seconds_ = 0;
  std::int64_t images_ = 0;
};

}  // namespace edgeclip
