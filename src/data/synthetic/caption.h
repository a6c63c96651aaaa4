#pragma once

#include <string>

#include "base/rng.h"
#include "data/synthetic/pedestrian.h"

namespace edgeclip::synthetic {

/// One English sentence about the person, in one of many wordings.  Gender, upper and lower garment with
/// their colours and pattern are always named, by words that stand for no other value: sentences of different
/// descriptions differ. sees_front: what shows only from the front may be named.
std::string write_caption(const Attributes& attributes, bool sees_front, Rng& rng);

}  // namespace edgeclip::synthetic
