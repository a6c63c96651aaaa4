#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "data/dataset/loader.h"

namespace edgeclip {

/// The batches of one epoch, as indices into dataset.images; of this rank, where there are several.  As many
/// in every epoch and on every rank: a short last batch counts unless drop_last, but a single one always
/// does; what is left over when images are dealt to ranks is left out with drop_last and dealt twice without.
/// With identities x images_per_identity every batch is full and of different persons; whole batches are
/// dealt to ranks, and groups that find no batch are left out of the epoch.  At least that many persons are
/// needed. images: the split.  With shuffle the order is drawn from rng (the same on all ranks); without, it
/// is kept, unique_ids or not.
std::vector<std::vector<std::int64_t>> batch_order(const Dataset& dataset, std::vector<std::int64_t> images,
                                                   const LoaderOptions& options, Rng rng);

}  // namespace edgeclip
