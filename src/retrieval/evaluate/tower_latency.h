#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "retrieval/encoder.h"

namespace edgeclip {

/// The median of run()'s milliseconds over 15 calls, behind 3 that are not counted.  Throws Interrupted on a signal.
double median_ms(const std::function<void()>& run);

/// What the towers take by themselves, without reading, decoding and searching: milliseconds per image and per caption of
/// batches of these sizes, medians of 15 batches each.  All sizes take turns, so that what else the machine does meets all alike.
/// pixels: (B, 3, H, W), B at least the largest size.  texts: at least one; batches of captions are different ones, padded to the
/// longest of a batch, and each is seen once before it is timed.
/// -> {"1": {"image", "text"}, "4": ...}.  Throws InvalidInput for a size above encoder.max_batch(), Interrupted on a signal.
Json tower_latency(Encoder& encoder, const TensorView& pixels, const std::vector<std::string>& texts, const std::vector<int>& batches);

}  // namespace edgeclip
