#include "train/stall_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace edgeclip {

namespace {

constexpr std::int64_t kLeastWindow = 10;  ///< fewer steps prove nothing

}  // namespace

StallWatch::StallWatch(std::int64_t first, std::int64_t steps)
    : first_(first), window_(std::clamp(steps - first, kLeastWindow, kWindow)) {}

std::string StallWatch::see(std::int64_t step, double loss, std::int64_t batch) {
  if (said_ || step <= first_ || batch < 2) return {};
  losses_ += loss;
  untrained_ += std::log(static_cast<double>(batch));
  if (++seen_ < window_) return {};
  const double n = static_cast<double>(seen_), mean = losses_ / n, untrained = untrained_ / n;
  seen_ = 0;
  losses_ = untrained_ = 0;
  said_ = std::abs(mean - untrained) <= kTolerance * untrained;
  if (!said_) return {};
  return fmt::format(
      "step {}: the contrastive loss was {:.3f} over the last {} steps: ln(batch) = {:.3f} is what a model "
      "has that tells "
      "nothing apart; check that the captions belong to their images, that optimizer.lr is neither far too "
      "high nor too "
      "low, and that freeze and lora.target_modules leave enough to train",
      step, mean, window_, untrained);
}

}  // namespace edgeclip
