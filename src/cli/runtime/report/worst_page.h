#pragma once

#include <string>

#include "retrieval/evaluate/evaluate.h"

namespace edgeclip::report {

/// What the page says of where its queries come from.
struct WorstPageTitle {
  std::string model, data, split;
};

/// A self-contained page of the captions that do worst: each with its AP and the rank of its first right
/// image, what was found first in frames that say right or wrong, and behind these the best right image at
/// its rank.  evaluation.worst has the queries.
std::string worst_page(const WorstPageTitle& title, const Evaluation& evaluation);

}  // namespace edgeclip::report
