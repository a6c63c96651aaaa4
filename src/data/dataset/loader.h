#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/dataset/compose_batch.h"
#include "data/dataset/dataset.h"
#include "data/dataset/loader_options.h"
#include "data/image/transform.h"

namespace edgeclip {

/// Batches of an epoch in a deterministic order, decoded by a pool of threads into a bounded queue.  A batch
/// is composed whole and the rank has its part of it, so that the ranks together see what one process sees,
/// row by row; neither their number nor that of the threads changes anything.
class Loader {
 public:
  /// dataset must outlive the loader.  Throws InvalidInput if the split fills no batch, or if a batch does
  /// not divide among the ranks.
  Loader(const Dataset& dataset, const ImageTransform& transform, const LoaderOptions& options);
  ~Loader();
  std::int64_t batches_per_epoch() const;
  /// Starts (or restarts) epoch e; `skip` batches are left out (resume in mid-epoch; by another number of
  /// ranks, too).
  void start_epoch(std::int64_t epoch, std::int64_t skip = 0);
  /// The next batch in order, or nothing at the epoch's end.  Rethrows what a decoding thread threw.  With
  /// on_corrupt "skip" a batch may be short; InvalidInput if none of its images can be read.
  std::optional<Batch> next();
  /// Different images that could not be read so far.
  std::int64_t corrupt_images() const;
  /// Of the split.
  std::int64_t images() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Decodes and transforms images[begin, end) of paths, in parallel: (n, 3, H, W).
Tensor load_pixels(const std::vector<std::filesystem::path>& paths, const ImageTransform& transform,
                   int threads = 0);

}  // namespace edgeclip
