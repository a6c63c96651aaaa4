#pragma once

#include <cstdint>
#include <string>

#include "base/options.h"
#include "data/augment/augment.h"

namespace edgeclip {

/// How batches are put together and decoded: what a training may choose.
struct LoadingOptions {
  /// "one": an epoch has each image once, with one of its captions, drawn anew | "all": each caption of each
  /// image once (IRRA's epoch).  A batch counts images with "one", pairs of image and caption with "all".
  std::string captions = "one";
  /// Whether a person may stand twice in a batch (a false negative where targets know no identities).
  /// "prefer": not while others are within reach; an epoch leaves nothing out for it | "always": never, and
  /// what then fills no whole batch is left out of the epoch | "off": batches are cut from the order as it is
  std::string unique_ids = "prefer";
  /// Both above 0: a batch is so many different persons with so many images each (pairs, with captions
  /// "all"); `batch`, drop_last and unique_ids do not count.  A person with fewer repeats them, with captions
  /// and changes drawn anew.
  int identities = 0, images_per_identity = 0;
  std::string on_corrupt = "error";  ///< "error" | "skip": an image that cannot be read leaves its batch, is
                                     ///< counted and reported once
  double max_unreadable = 10;        ///< with "skip": percent of the split's images; the caller judges
  int threads = 0;                   ///< decoding threads; 0: thread_count()
  int queue = 4;                     ///< batches decoded ahead
  int cache_mb = 1024;               ///< decoded uint8 pixels kept in memory, MiB; 0: none

  template <class Visitor>
  void fields(Visitor& v) {
    v("captions", captions,
      "an epoch has each image once with one of its captions, drawn anew, or all captions of all images",
      {"one", "all"});
    v("unique_ids", unique_ids,
      "a person once per batch: where others are left, always (the rest of the epoch is left out), or as it "
      "comes",
      {"prefer", "always", "off"});
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

  /// The same decoding for a pass over each image once, in order and without regard to persons: what
  /// measuring wants of a training's options.
  LoadingOptions for_each_image() const;
};

struct LoaderOptions {
  std::string split = "train";
  int batch = 64;         ///< rows of a whole batch, of all ranks together
  bool shuffle = true;    ///< a new order each epoch, a pure function of (seed, epoch)
  bool drop_last = true;  ///< leaves out a last batch shorter than `batch`
  int rank = 0,
      world = 1;  ///< this process has the rank-th of `world` equal parts of each batch, in the batch's order
  std::uint64_t seed = 0;
  bool second_view = false;  ///< each image once more, with changes of its own (Batch::second_pixels)
  LoadingOptions loading;
  AugmentOptions
      augment;  ///< drawn as a pure function of (seed, epoch, image), of the caption too with "all"

  /// Rows of a whole batch: `batch`, or identities x images_per_identity.
  std::int64_t rows() const;
  void validate() const;
};

}  // namespace edgeclip
