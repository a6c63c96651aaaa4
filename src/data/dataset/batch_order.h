#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "data/dataset/dataset.h"
#include "data/dataset/loader_options.h"

namespace edgeclip {

/// One row of a batch.
struct BatchItem {
  std::int64_t image = 0;     ///< index into Dataset::images
  std::int64_t caption = -1;  ///< index into Dataset::pairs; -1: one of the image's is to be drawn
};

/// What an epoch goes over, in the dataset's order: the split's images or, with captions "all", their pairs.
/// Throws InvalidInput naming the remedy if the split cannot fill a single batch: persons and rows are
/// counted, so that batch_order() has at least one.
std::vector<BatchItem> items_of_epoch(const Dataset& dataset, const LoaderOptions& options);

/// The batches of one epoch, whole: every rank has the same ones, and a part of each (part_of_rank).  As many
/// in every epoch: a short last batch counts unless drop_last.  With unique_ids "always" or identities x
/// images_per_identity every batch is full and of different persons, and what then finds no batch is left out
/// of the epoch.  items: of items_of_epoch().  With shuffle the order is drawn from rng; without, it is kept,
/// whatever unique_ids prefers.
std::vector<std::vector<BatchItem>> batch_order(const Dataset& dataset, std::vector<BatchItem> items,
                                                const LoaderOptions& options, Rng rng);

/// The rows [first, second) of a batch of n that a rank has.  Parts of equal size, but for a last batch that
/// does not divide: there they differ by one row at most, and may be empty.
std::pair<std::int64_t, std::int64_t> part_of_rank(std::int64_t n, int rank, int world);

}  // namespace edgeclip
