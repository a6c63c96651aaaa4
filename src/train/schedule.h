#pragma once

#include <cstdint>

namespace edgeclip {

/// Learning rate of step (0-based) of `steps`: rises linearly to `peak` over the first `warmup_steps` (the
/// first step has peak / warmup_steps, the last of them peak), then falls along half a cosine towards peak *
/// min_ratio.
double learning_rate(std::int64_t step, std::int64_t steps, std::int64_t warmup_steps, double peak,
                     double min_ratio);

}  // namespace edgeclip
