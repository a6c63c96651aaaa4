#pragma once

#include <vector>

#include "base/json.h"

/// What every command that reports time makes of the times it took.
namespace edgeclip {

/// The value below which `share` (0..1) of the values lie, between neighbours by straight line; 0 for no
/// values.
double percentile(std::vector<double> values, double share);

/// {"p10","median","p90","p99"} of times in milliseconds.
Json latency_json(const std::vector<double>& ms);

}  // namespace edgeclip
