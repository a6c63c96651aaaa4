#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/options.h"
#include "retrieval/encoder.h"
#include "retrieval/image_source.h"

namespace edgeclip {

/// Producers read, decode and preprocess; consumers encode in batches.  A bounded queue lies between them.
struct IndexOptions {
  int producers = 0;  ///< decoding threads; 0: thread_count()
  int consumers = 1;  ///< encoding threads
  int batch = 32;     ///< images encoded at once (at most the encoder's max_batch)
  std::string schedule =
      "dynamic";  ///< "dynamic": whoever is free takes the next image; "static": a fixed share for each
  std::string shard = "1/1";   ///< i/n: only part i of n of the images
  int frame_step = 10;         ///< of a video, every so many frames
  double max_unreadable = 10;  ///< percent of the images; above it the index is written, but a check not met
  bool overwrite = false;      ///< another gallery at the output may be replaced

  template <class Visitor>
  void fields(Visitor& v) {
    v("producers", producers, "threads that read, decode and preprocess; 0: as many as CPUs");
    v("consumers", consumers, "threads that encode");
    v("batch", batch, "images encoded at once");
    v("schedule", schedule, "who takes the next image: whoever is free, or a fixed share for each",
      {"dynamic", "static"});
    v("shard", shard, "i/n: only part i of n of the images, in order");
    v("frame_step", frame_step, "of a video, every so many frames");
    v("max_unreadable", max_unreadable, "percent of images that may be unreadable; above it exit 3");
    v("overwrite", overwrite, "replaces another gallery in --out");
  }
  void validate(const std::string& where) const;
};

struct IndexReport {
  std::int64_t indexed = 0;  ///< in the gallery now
  std::int64_t resumed = 0;  ///< of them, already encoded by an earlier run that did not finish
  bool unchanged = false;    ///< the gallery was complete already; nothing was done
  std::vector<std::pair<std::string, std::string>> failed;  ///< (path, reason) in input order
  double seconds = 0;
  IndexOptions options;  ///< as they were in force
  std::int64_t embedding_dim = 0;

  /// Percent of the images that could not be read.
  double unreadable() const;
};

/// {"indexed","resumed","unchanged","unreadable_percent","failed","failures":[{"path","reason"}],"seconds","images_per_s","schedule","producers","consumers","batch","shard"}
Json to_json(const IndexReport& report);

/// Encodes the images of a source into a gallery at `out`.  Items keep the source's order whatever the
/// schedule.  An image that cannot be read is warned about once, counted, and left out.  A gallery that an
/// earlier run of the same indexing did not finish is finished; one that is complete is left as it is
/// (retrieval/earlier_index.h); another one is replaced only with options.overwrite.  On a signal, or when
/// the machine fails, the images finished so far become a valid gallery (gallery.json: "complete": false;
/// beside a complete one as OUT.partial) and Interrupted or the failure is thrown; with none finished nothing
/// is written. Throws InvalidInput if no image could be read at all.  Of a video one thread reads and every
/// frame_step-th frame is an item; shards divide videos by frame number (as the container counts them).
IndexReport index_images(Encoder& encoder, const ImageSource& source, const std::filesystem::path& out,
                         const IndexOptions& options);

}  // namespace edgeclip
