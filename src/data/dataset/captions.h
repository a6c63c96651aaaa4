#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset/dataset.h"

namespace edgeclip {

/// Indices into the pairs of one split, in order: its captions, each with its image.  "all" gives all.  Throws as Dataset::split() does.
std::vector<std::int64_t> captions_of(const Dataset& dataset, const std::string& split);

/// Tokens of a pair's caption, begin and end among them.
int caption_length(const Dataset& dataset, std::int64_t pair);

}  // namespace edgeclip
