#pragma once

#include <optional>
#include <string>

#include "base/progress.h"

namespace edgeclip {

/// The line of a training: loss, R@1 of the last validation, images per second, remaining time.
class TrainingProgress {
 public:
  /// steps: that are left.
  explicit TrainingProgress(std::int64_t steps) : progress_("train", steps, "steps") {}

  /// A step of so many images, which took so many seconds.
  void step(double loss, std::int64_t images, double seconds);
  void left_out() { progress_.advance(1, "left out"); }
  /// R@1 of texts among images, percent.
  void validated(double r1);
  void finish() { progress_.finish(); }

  /// "loss 2.310, R@1 12.5 %, 205 images/s"; the rate is that of the last steps.
  std::string note(double loss) const;

 private:
  Progress progress_;
  std::optional<double> r1_;
  double loss_ = 0;  ///< of the last step
  double images_ = 0, seconds_ = 0;  ///< of the last steps, the older the less
};

}  // namespace edgeclip
