#include "retrieval/encode_tuner.h"

#include <algorithm>
#include <cmath>

namespace edgeclip {

namespace {

/// A trial lasts until both are over: so many rounds of batches, and so long.
constexpr int kRounds = 3;
constexpr double kTrialSeconds = 0.25;
/// A setting is worse than the best by more than this.
constexpr double kGain = 1.02;
/// Batches down to this part of the largest are tried in any case: what a cache holds shows between two sizes only.
constexpr int kAlwaysTried = 4;
/// The second best is as near as two trials of one setting may be on a machine that others use as well.
constexpr double kClose = 0.85;
/// The rate that was found does not hold any more.
constexpr double kFarOff = 0.25, kWatchSeconds = 2, kRestSeconds = 60;
constexpr int kFarOffWindows = 3;

}  // namespace

EncodeTuner::EncodeTuner(const Limits& limits) : limits_(limits), setting_{limits.concurrent, limits.batch} { begin(); }

void EncodeTuner::begin() {
  first_trial_ = trials_.size();
  batches_done_ = limits_.fixed_batch;
  settled_ = false;
  second_look_.reset();
  looks_ = 0;
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

std::vector<EncodeTuner::Trial> EncodeTuner::ranked() const {
  std::vector<Trial> settings;
  for (std::size_t i = first_trial_; i < trials_.size(); ++i) {
    const auto same = std::find_if(settings.begin(), settings.end(), [&](const Trial& t) { return t.setting == trials_[i].setting; });
    if (same == settings.end())
      settings.push_back(trials_[i]);
    else
      same->rate = (same->rate + trials_[i].rate) / 2;
  }
  std::stable_sort(settings.begin(), settings.end(), [](const Trial& a, const Trial& b) { return a.rate > b.rate; });
  // Of those that are as good, the one that was tried first.
  const auto first_tried = [&](const EncodeSetting& setting) {
    return std::find_if(trials_.begin() + static_cast<std::ptrdiff_t>(first_trial_), trials_.end(), [&](const Trial& t) { return t.setting == setting; });
  };
  auto front = settings.begin();
  for (auto t = settings.begin(); t != settings.end() && t->rate * kGain >= settings.front().rate; ++t)
    if (first_tried(t->setting) < first_tried(front->setting)) front = t;
  std::rotate(settings.begin(), front, front + 1);
  return settings;
}

void EncodeTuner::judge(double rate) {
  trials_.push_back({setting_, rate});
  if (const auto next = next_trial()) {
    use(*next);
    return;
  }
  const std::vector<Trial> best = ranked();
  if (best.size() > 1 && best[1].rate > best[0].rate * kClose) {  // once more, the second first: two trials of each
    if (!second_look_) {
      second_look_ = best[0].setting;
      use(best[1].setting);
      return;
    }
    if (*second_look_ != setting_ && looks_ == 0) {
      ++looks_;
      use(*second_look_);
      return;
    }
  }
  settled_ = true;
  rate_ = best.front().rate;
  far_off_ = 0;
  use(best.front().setting);
}

std::optional<EncodeSetting> EncodeTuner::next_trial() {
  if (second_look_) return std::nullopt;
  const EncodeSetting last = trials_.back().setting, best = ranked().front().setting;
  const bool worse = trials_.back().rate * kGain < ranked().front().rate;  // trying what is as good costs nothing
  if (!batches_done_) {
    if (last.batch > 1 && (!worse || last.batch > limits_.batch / kAlwaysTried)) return EncodeSetting{last.concurrent, last.batch / 2};
    batches_done_ = true;
    if (!limits_.fixed_concurrent && last.concurrent > 1) return EncodeSetting{last.concurrent / 2, best.batch};
    return std::nullopt;
  }
  if (limits_.fixed_concurrent || last.concurrent == 1 || worse) return std::nullopt;
  return EncodeSetting{last.concurrent / 2, best.batch};
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
