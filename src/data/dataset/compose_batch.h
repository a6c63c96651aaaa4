#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "base/tensor.h"
#include "data/dataset/batch_order.h"

namespace edgeclip {

/// One batch, or a rank's part of it: B rows, each an image with one caption.
struct Batch {
  Tensor pixels;                       ///< (B, 3, H, W) float32
  Tensor second_pixels;                ///< the same images, changed by draws of their own; undefined unless asked for
  Tensor tokens;                       ///< (B, T) int32, T the longest caption of the whole batch
  std::vector<std::int64_t> ids;       ///< person identities
  std::vector<std::int64_t> images;    ///< indices into Dataset::images
  std::vector<std::int64_t> captions;  ///< indices into Dataset::pairs
  std::vector<char> image_augmented;  ///< whether a random change was made to the image: a flip, another part
                                      ///< or place of it, other colours, a rectangle
  std::vector<char> caption_augmented;  ///< whether the caption was changed: sides swapped, tokens left out
                                        ///< or hidden
};

/// What is drawn for a batch's images, by row.
struct ViewDraws {
  std::vector<char> flips;
  std::vector<Rng> pixels;  ///< what other changes are drawn from
};

/// A batch without its pixels, and what is drawn for them.
struct ComposedBatch {
  Batch batch;  ///< pixels are undefined, image_augmented false: decoding fills them in
  ViewDraws view;
  ViewDraws second_view;  ///< empty unless asked for; captions have no part in it
};

/// The rank's part of a batch: captions chosen and changed, and what its images' changes are drawn from, each
/// a pure function of (seed, epoch, image), of the caption with captions "all", and of the repetition where a
/// batch of persons repeats an item.  items: the whole batch.  Thread-safe.
ComposedBatch compose_batch(const Dataset& dataset, const LoaderOptions& options,
                            const std::vector<BatchItem>& items, std::int64_t epoch);

/// The rows of `batch` in `rows`, in their order.
Batch rows_of(const Batch& batch, const std::vector<std::int64_t>& rows);

}  // namespace edgeclip
