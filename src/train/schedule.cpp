#include "train/schedule.h"

#include <algorithm>
#include <cmath>

namespace edgeclip {

double learning_rate(std::int64_t step, std::int64_t steps, std::int64_t warmup_steps, double peak,
                     double min_ratio) {
  if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  const double rest = static_cast<double>(std::max<std::int64_t>(steps - warmup_steps, 1));
  const double done = std::min(1.0, static_cast<double>(step - warmup_steps) / rest);
  return peak * (min_ratio + (1 - min_ratio) * 0.5 * (1 + std::cos(M_PI * done)));
}

}  // namespace edgeclip
