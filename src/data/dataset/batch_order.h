#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "data/dataset/loader.h"

namespace edgeclip {

/// How many batches n images make: a short last one counts unless drop_last, but a single one always does.
std::int64_t batch_count(std::int64_t n, const LoaderOptions& options);

/// The batches of one epoch, as indices into dataset.images: batch_count() of them.
/// images: the split.  With shuffle the order is drawn from rng; without, it is kept, unique_ids or not.
std::vector<std::vector<std::int64_t>> batch_order(const Dataset& dataset, std::vector<std::int64_t> images,
                                                   const LoaderOptions& options, Rng rng);

}  // namespace edgeclip
