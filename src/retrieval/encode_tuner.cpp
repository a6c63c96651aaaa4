#include "retrieval/encode_tuner.h"

#include <algorithm>
#include <cmath>

namespace edgeclip {

namespace {

/// A trial lasts until both are over: so many rounds of batches, and so long.
constexpr int kRounds = 3;
constexpr double kTrialSeconds = 0.25;
/// What a setting has to gain over an earlier one, which takes less memory or was known to be good.
constexpr double kGain = 1.02;
/// The rate that was found does not hold any more.
constexpr double kFarOff = 0.25, kWatchSeconds = 2, kRestSeconds = 60;
constexpr int kFarOffWindows = 3;

}  // namespace

EncodeTuner::EncodeTuner(const Limits& limits) : limits_(limits), setting_{limits.concurrent, limits.batch} { begin(); }

void EncodeTuner::begin() {
  first_trial_ = trials_.size();
  batches_done_ = limits_.fixed_batch;
  settled_ = false;
  use({limits_.concurrent, limits_.batch});
  settled_ = (limits_.fixed_batch || limits_.batch == 1) && (limits_.fixed_concurrent || limits_.concurrent == 1);
}

void EncodeTuner::use(const EncodeSetting& setting) {
  setting_ = setting;
  ++generation_;
  batches_ = 0;
  images_ = 0;
}

bool EncodeTuner::finished(int images, double seconds, std::size_t generation) {
  if (generation != generation_) return false;
  // The first ones of a setting make kernels ready and run beside what was begun under another.
  if (batches_++ < setting_.concurrent) {
    began_ = seconds;
    return false;
  }
  images_ += images;
  const double took = seconds - began_;
  if (batches_ < setting_.concurrent * (1 + kRounds) || took < (settled_ ? kWatchSeconds : kTrialSeconds)) return false;
  const double rate = images_ / took;
  const std::size_t before = generation_;
  if (settled_) {
    watch(rate, seconds);
    batches_ = setting_.concurrent;  // the next window begins here
    images_ = 0;
    began_ = seconds;
  } else {
    judge(rate);
    if (settled_) settled_at_ = seconds;
  }
  return generation_ != before;
}

const EncodeTuner::Trial& EncodeTuner::best() const {
  const Trial* best = &trials_[first_trial_];
  for (std::size_t i = first_trial_ + 1; i < trials_.size(); ++i)
    if (trials_[i].rate > best->rate * kGain) best = &trials_[i];
  return *best;
}

void EncodeTuner::judge(double rate) {
  trials_.push_back({setting_, rate});
  if (const auto next = next_trial()) {
    use(*next);
    return;
  }
  settled_ = true;
  rate_ = best().rate;
  far_off_ = 0;
  use(best().setting);
}

std::optional<EncodeSetting> EncodeTuner::next_trial() {
  const bool worse = trials_.back().rate * kGain < best().rate;  // trying what is as good costs nothing
  const EncodeSetting last = trials_.back().setting;
  if (!batches_done_) {
    if (last.batch > 1 && !worse) return EncodeSetting{last.concurrent, last.batch / 2};
    batches_done_ = true;
    if (!limits_.fixed_concurrent && last.concurrent > 1) return EncodeSetting{last.concurrent / 2, best().setting.batch};
    return std::nullopt;
  }
  if (limits_.fixed_concurrent || last.concurrent == 1 || worse) return std::nullopt;
  return EncodeSetting{last.concurrent / 2, best().setting.batch};
}

void EncodeTuner::watch(double rate, double seconds) {
  if (rate_ <= 0) rate_ = rate;  // nothing was tried
  far_off_ = std::abs(rate - rate_) > kFarOff * rate_ ? far_off_ + 1 : 0;
  if (far_off_ < kFarOffWindows || seconds - settled_at_ < kRestSeconds) return;
  far_off_ = 0;
  settled_at_ = seconds;
  rate_ = rate;
  begin();
}

}  // namespace edgeclip
