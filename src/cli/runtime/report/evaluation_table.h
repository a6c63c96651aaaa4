#pragma once

#include <string>

#include "retrieval/evaluate/comparison.h"
#include "retrieval/evaluate/evaluate.h"

namespace edgeclip::report {

/// Both directions and chance in percent, a column per measure; under each direction its confidence interval,
/// where there is one.
std::string evaluation_table(const Evaluation& evaluation);

/// What another model reaches in both directions, the difference of this one to it, its interval and p.
std::string comparison_table(const Comparison& comparison, const std::string& against);

}  // namespace edgeclip::report
