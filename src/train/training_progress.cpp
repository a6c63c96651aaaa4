#include "train/training_progress.h"

#include <fmt/format.h>

namespace edgeclip {

namespace {

constexpr double kForgotten = 0.1;  ///< of what is known of the rate, at each step

}  // namespace

void TrainingProgress::step(double loss, std::int64_t images, double seconds) {
  images_ = (1 - kForgotten) * images_ + static_cast<double>(images);
  seconds_ = (1 - kForgotten) * seconds_ + seconds;
  loss_ = loss;
  progress_.advance(1, note(loss));
}

void TrainingProgress::validated(double r1) {
  r1_ = r1;
  progress_.advance(0, note(loss_));
}

std::string TrainingProgress::note(double loss) const {
  std::string text = fmt::format("loss {:.3f}", loss);
  if (r1_) text += fmt::format(", R@1 {:.1f} %", *r1_);
  if (seconds_ > 0)
    text += fmt::format(", {:.{}f} images/s", images_ / seconds_, images_ < 10 * seconds_ ? 1 : 0);
  return text;
}

}  // namespace edgeclip
