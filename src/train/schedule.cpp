#include "train/schedule.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace edgeclip {

void ScheduleOptions::validate(const std::string& where) const {
  const auto require = [&](bool condition, const char* key, double value, const char* rule) {
    if (!condition) invalid_input("{}{}: must be {}, is {}", where, key, rule, value);
  };
  require(std::isfinite(lr) && lr > 0, "lr", lr, "positive");
  require(warmup >= 0 && warmup <= 1, "warmup", warmup, "a part of all steps, from 0 to 1");
  require(min_lr_ratio >= 0 && min_lr_ratio <= 1, "min_lr_ratio", min_lr_ratio, "from 0 to 1");
  require(std::isfinite(power) && power > 0, "power", power, "positive");
  require(gamma > 0 && gamma <= 1, "gamma", gamma, "above 0 and at most 1");
  if (schedule == "step" && milestones.empty())
    invalid_input("{}milestones: is empty, so the rate would not fall; set {}schedule to constant", where,
                  where);
  for (std::size_t i = 0; i < milestones.size(); ++i) {
    require(std::isfinite(milestones[i]) && milestones[i] > 0, "milestones", milestones[i], "positive");
    if (i == 0) continue;
    require((milestones[i] < 1) == (milestones[0] < 1), "milestones", milestones[i],
            "like the others: all below 1 (parts of all steps) or all from 1 on (epochs)");
    require(milestones[i] > milestones[i - 1], "milestones", milestones[i], "above the one before");
  }
}

Schedule::Schedule(const ScheduleOptions& options, std::int64_t steps, std::int64_t steps_per_epoch)
    : options_(options), steps_(steps), warmup_(std::llround(options.warmup * static_cast<double>(steps))) {
  for (const double m : options.milestones)
    milestones_.push_back(std::llround(m * static_cast<double>(m < 1 ? steps : steps_per_epoch)));
}

double Schedule::rate(std::int64_t step) const {
  const bool steps_down = options_.schedule == "step";
  const double fallen = steps_down ? decay(step) : 1;
  if (step < warmup_)
    return options_.lr * static_cast<double>(step + 1) / static_cast<double>(warmup_) * fallen;
  return options_.lr * (steps_down ? fallen : decay(step));
}

double Schedule::decay(std::int64_t step) const {
  if (options_.schedule == "constant") return 1;
  if (options_.schedule == "step")
    return std::pow(options_.gamma,
                    std::upper_bound(milestones_.begin(), milestones_.end(), step) - milestones_.begin());
  const double rest = static_cast<double>(std::max<std::int64_t>(steps_ - warmup_, 1));
  const double done = std::min(1.0, static_cast<double>(step - warmup_) / rest), m = options_.min_lr_ratio;
  if (options_.schedule == "polynomial") return m + (1 - m) * std::pow(1 - done, options_.power);
  EDGECLIP_CHECK(options_.schedule == "cosine", "unknown schedule {}", options_.schedule);
  return m + (1 - m) * 0.5 * (1 + std::cos(M_PI * done));
}

}  // namespace edgeclip
