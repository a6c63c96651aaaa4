#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset/dataset.h"
#include "data/image/transform.h"

namespace edgeclip {

struct LoaderOptions {
  std::string split = "train";
  int batch = 64;
  bool shuffle = true;     ///< a new order each epoch, a pure function of (seed, epoch)
  bool drop_last = true;   ///< leaves out a last batch shorter than `batch` (never the only one)
  bool unique_ids = true;  ///< avoids two images of one person in a batch where possible (false negatives)
  /// Both above 0: a batch is so many persons with so many images each (`batch` and unique_ids do not count);
  /// a person with fewer images repeats them.
  int identities = 0, images_per_identity = 0;
  int rank = 0,
      world = 1;  ///< this process's part of each epoch: images rank, rank + world, ... of the order
  std::uint64_t seed = 0;
  int threads = 0;                   ///< decoding threads; 0: thread_count()
  int queue = 4;                     ///< batches decoded ahead
  std::string on_corrupt = "error";  ///< "error" | "skip": an image that cannot be read leaves its batch, is
                                     ///< counted and reported once
  bool flip = false;                 ///< random horizontal flip, a pure function of (seed, epoch, image)
  bool cache = true;                 ///< keeps resized uint8 pixels in memory (up to cache_mb)
  int cache_mb = 1024;
};

/// One batch: one caption per image, drawn per epoch.
struct Batch {
  Tensor pixels;                     ///< (B, 3, H, W) float32
  Tensor tokens;                     ///< (B, T) int32, T the longest caption of the batch
  std::vector<std::int64_t> ids;     ///< person identities
  std::vector<std::int64_t> images;  ///< indices into Dataset::images
};

/// Batches of an epoch in a deterministic order, decoded by a pool of threads into a bounded queue.
class Loader {
 public:
  /// dataset must outlive the loader.
  Loader(const Dataset& dataset, const ImageTransform& transform, const LoaderOptions& options);
  ~Loader();
  std::int64_t batches_per_epoch() const;
  /// Starts (or restarts) epoch e; `skip` batches are left out (resume in mid-epoch).
  void start_epoch(std::int64_t epoch, std::int64_t skip = 0);
  /// The next batch in order, or nothing at the epoch's end.  Rethrows what a decoding thread threw.  With
  /// on_corrupt "skip" a batch may be short, never empty.
  std::optional<Batch> next();
  /// Different images that could not be read so far.
  std::int64_t corrupt_images() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Decodes and transforms images[begin, end) of paths, in parallel: (n, 3, H, W).
Tensor load_pixels(const std::vector<std::filesystem::path>& paths, const ImageTransform& transform,
                   int threads = 0);

}  // namespace edgeclip
