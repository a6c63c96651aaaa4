#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/tensorboard.h"
#include "train/metrics_log.h"

namespace edgeclip {

/// What a run says of itself: metrics.jsonl, and the same figures as TensorBoard's events.  Not thread-safe.
class RunLog {
 public:
  /// Both keep what is there of an older log up to step keep_until; -1: they start anew.  Throws InvalidInput
  /// if they cannot be read or written.
  RunLog(std::filesystem::path metrics, std::filesystem::path events, std::int64_t keep_until);

  /// line: as in MetricsLog; its numbers become scalars of its step (scalars_of()).
  void write(const Json& line);
  /// A distribution for each name, in the events alone, as "grad_norm/NAME".
  void gradient_norms(std::int64_t step,
                      const std::vector<std::pair<std::string, std::vector<double>>>& norms);

 private:
  MetricsLog metrics_;
  EventFiles events_;
};

/// The numbers of a line of metrics.jsonl under TensorBoard's names: {"loss": 1, "losses": {"sdm": 2}} as
/// train/loss and train/losses/sdm, {"val": {"text_to_image": {"R@1": 3}}} as val/text_to_image/R@1.
std::vector<std::pair<std::string, double>> scalars_of(const Json& line);

}  // namespace edgeclip
