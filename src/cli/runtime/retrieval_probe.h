#pragma once

#include <string>

#include "builder/quantize/retrieval_probe.h"

namespace edgeclip {

/// Measures candidates of a bundle as `evaluate` measures plans: on at most `images` images of a split,
/// evenly spread, with all of their captions.  The dataset is opened, and the split looked for, when the
/// bundle is there.
builder::OpenProbe retrieval_probe(const std::string& data, const std::string& image_root,
                                   const std::string& split, int images);

}  // namespace edgeclip
