#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/options.h"
#include "retrieval/encoder.h"
#include "retrieval/index/image_source.h"

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
  bool overwrite = false;      ///< a gallery at the output is replaced instead of added to

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
    v("overwrite", overwrite, "replaces the gallery in --out, instead of adding to it");
  }
  void validate(const std::string& where) const;
};

struct IndexReport {
  std::int64_t indexed = 0;  ///< of the source, in the gallery now
  std::int64_t resumed = 0;  ///< of them, there already
  std::int64_t replaced = 0;  ///< of them, encoded anew because they had changed
  bool unchanged = false;    ///< the gallery held all of it already; nothing was done
  std::vector<std::pair<std::string, std::string>> failed;  ///< (path, reason) in input order
  double seconds = 0;
  IndexOptions options;  ///< as they were in force
  std::int64_t embedding_dim = 0;
  std::int64_t images = 0;  ///< in the gallery now, of all sources

  /// Percent of the images that could not be read.
  double unreadable() const;
};

/// {"indexed","resumed","replaced","unchanged","unreadable_percent","failed","failures":[{"path","reason"}],"seconds","images_per_s",
/// "embedding_dim","schedule","producers","consumers","batch","shard","images"}
Json to_json(const IndexReport& report);

/// Encodes the images of a source into the gallery at `out`, which is made or grows: what it holds already of the same image (by path,
/// size and time of its file, and what is known of it) is not encoded again, what has changed is encoded anew in place of the old.  Items
/// keep the source's order whatever the schedule.  An image that cannot be read is warned about once, counted, listed in the gallery's
/// failed.csv, and left out; it is tried again by the next run.  What has been encoded is in the gallery's journal, so a kill loses no
/// more than the batches that were being encoded, and the same command goes on from there; on a signal, or when the machine fails, what
/// is finished is put into the gallery and Interrupted or the failure is thrown.  options.overwrite: the gallery is replaced by one of
/// these images alone, which is made beside it (partial_of()) and put in its place in one step.  A new gallery of which nothing was
/// finished is not left there.  Throws InvalidInput if no image could be read at all, or the gallery is of another embedding space.  Of a
/// video one thread reads and every frame_step-th frame is an item; shards divide videos by frame number (as the container counts them).
IndexReport index_images(Encoder& encoder, const ImageSource& source, const std::filesystem::path& out,
                         const IndexOptions& options);

}  // namespace edgeclip
