#pragma once

#include <cstdint>
#include <string>

namespace edgeclip {

/// Notices a contrastive loss that stays at ln(batch), which is what a model that tells nothing apart has:
/// once warm-up is over, a window of steps whose mean is within 2 % of it.  Says so once.  Not thread-safe.
class StallWatch {
 public:
  static constexpr std::int64_t kWindow = 50;  ///< steps, at most what the run has left after warm-up
  static constexpr double kTolerance = 0.02;

  /// first: the first step that counts (the end of warm-up); steps: of the whole run.
  StallWatch(std::int64_t first, std::int64_t steps);

  /// loss: the contrastive loss of the step (1-based) over `batch` pairs.  Returns the warning, or "".
  std::string see(std::int64_t step, double loss, std::int64_t batch);

 private:
  const std::int64_t first_, window_;
  std::int64_t seen_ = 0;
  double losses_ = 0, untrained_ = 0;  ///< sums over the window
  bool said_ = false;
};

}  // namespace edgeclip
