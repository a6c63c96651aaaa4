#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edgeclip {

/// How the learning rate goes over the steps of a run.
struct ScheduleOptions {
  double lr = 1e-3;                 ///< peak learning rate
  double warmup = 0.05;             ///< part of all steps
  std::string schedule = "cosine";  ///< after warm-up: "cosine" | "constant" | "polynomial" | "step"
  double min_lr_ratio = 0.0;        ///< cosine and polynomial end at lr * min_lr_ratio
  double power = 1.0;               ///< of the polynomial; 1: a straight line
  std::vector<double> milestones = {0.5, 0.75};  ///< below 1: parts of all steps; 1 and more: epochs
  double gamma = 0.1;                            ///< factor at each milestone

  /// Which keys there are follows `schedule`: what it does not use is unknown.
  template <class Visitor>
  void fields(Visitor& v) {
    v("lr", lr, "peak learning rate");
    v("warmup", warmup, "part of all steps with linearly rising rate");
    v("schedule", schedule,
      "how the rate falls after warm-up: half a cosine, not at all, a polynomial (has power) or by steps "
      "(has milestones "
      "and gamma)",
      {"cosine", "constant", "polynomial", "step"});
    if (schedule == "cosine" || schedule == "polynomial")
      v("min_lr_ratio", min_lr_ratio, "the rate ends at lr * min_lr_ratio");
    if (schedule == "polynomial")
      v("power", power, "the rest of the steps to this power; 1: a straight line");
    if (schedule == "step") {
      v("milestones", milestones,
        "where the rate falls, counted from the first step: below 1 as part of all steps, from 1 on in "
        "epochs");
      v("gamma", gamma, "what it is multiplied with at each");
    }
  }
  /// Throws InvalidInput.
  void validate(const std::string& where) const;
};

/// The learning rate of each step of a run of a known length.  With w warm-up steps and N in all, step s
/// (0-based) has lr * f(s):
///
///   s < w        (s + 1) / w, times what milestones before it say
///   cosine       m + (1 - m) * (1 + cos(pi * d)) / 2     d = (s - w) / (N - w), m = min_lr_ratio
///   constant     1
///   polynomial   m + (1 - m) * (1 - d) ^ power
///   step         gamma ^ (milestones at or before s)
///
/// torch.optim.lr_scheduler's CosineAnnealingLR, PolynomialLR and MultiStepLR and the warm-up and decays of
/// transformers' get_*_schedule_with_warmup are the same formulas, except that their first step of a warm-up
/// has rate 0: their step s + 1 is step s here while the rate rises.  Milestones in epochs count from the
/// start of the run, as in IRRA's scheduler.  Thread-safe.
class Schedule {
 public:
  /// steps: N; steps_per_epoch: what milestones in epochs are multiplied with.
  Schedule(const ScheduleOptions& options, std::int64_t steps, std::int64_t steps_per_epoch);

  /// Steps beyond N have the last rate.
  double rate(std::int64_t step) const;
  std::int64_t warmup_steps() const { return warmup_; }

 private:
  double decay(std::int64_t step) const;

  const ScheduleOptions options_;
  const std::int64_t steps_, warmup_;
  std::vector<std::int64_t> milestones_;  ///< in steps
};

}  // namespace edgeclip
