#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/augment/augment.h"
#include "data/dataset/dataset.h"
#include "data/image/transform.h"

namespace edgeclip {

/// How batches are put together and decoded: what a training may choose.
struct LoadingOptions {
  /// Both above 0: a batch is so many different persons with so many images each (`batch`, unique_ids and
  /// drop_last do not count).  A person with fewer images repeats them, with captions and changes drawn anew.
  int identities = 0, images_per_identity = 0;
  std::string on_corrupt = "error";  ///< "error" | "skip": an image that cannot be read leaves its batch, is
                                     ///< counted and reported once
  double max_unreadable = 10;        ///< with "skip": percent of the split's images; the caller judges
  int threads = 0;                   ///< decoding threads; 0: thread_count()
  int queue = 4;                     ///< batches decoded ahead
  int cache_mb = 1024;               ///< decoded uint8 pixels kept in memory, MiB; 0: none

  template <class Visitor>
  void fields(Visitor& v) {
    v("identities", identities, "persons per batch, with images_per_identity each, instead of batch; 0: off");
    v("images_per_identity", images_per_identity, "images of each person of a batch; 0: off");
    v("on_corrupt", on_corrupt, "an image that cannot be read ends the training, or is left out and counted",
      {"error", "skip"});
    v("max_unreadable", max_unreadable,
      "skip: percent of the images that may be unreadable; above it exit 3");
    v("threads", threads, "decoding threads; 0: as many as --threads");
    v("queue", queue, "batches decoded ahead");
    v("cache_mb", cache_mb, "decoded pixels kept in memory, MiB; 0: none");
  }
  void validate(const std::string& where) const;
};

struct LoaderOptions {
  std::string split = "train";
  int batch = 64;
  bool shuffle = true;     ///< a new order each epoch, a pure function of (seed, epoch)
  bool drop_last = true;   ///< leaves out a last batch shorter than `batch` (never the only one)
  bool unique_ids = true;  ///< avoids two images of one person in a batch where possible (false negatives)
  int rank = 0,
      world = 1;  ///< this process's part of each epoch: images rank, rank + world, ... of the order
  std::uint64_t seed = 0;
  LoadingOptions loading;
  AugmentOptions augment;  ///< drawn as a pure function of (seed, epoch, image)
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
