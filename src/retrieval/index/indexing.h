#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/options.h"
#include "retrieval/encode_stream.h"
#include "retrieval/index/image_source.h"

namespace edgeclip {

/// Images go through an EncodeStream (retrieval/encode_stream.h), whose modes and threads these are.
struct IndexOptions {
  std::string mode = "auto";  ///< as EncodeStreamOptions::mode
  std::string schedule;       ///< "dynamic" | "static": the modes of these names; "": mode says it
  int producers = 0;     ///< decoding threads; 0: what the mode gives
  int consumers = 0;     ///< batches encoded at once; 0: what the mode gives
  int batch = 0;         ///< images encoded at once (at most the encoder's max_batch); 0: 32, of mode auto what is fastest
  std::string shard = "1/1";   ///< i/n: only part i of n of the images
  int frame_step = 0;          ///< of a video, every so many frames; 0: 10, with boxes each that has some
  double max_unreadable = 10;  ///< percent of the images; above it the index is written, but a check not met
  bool overwrite = false;      ///< a gallery at the output is replaced instead of added to

  template <class Visitor>
  void fields(Visitor& v) {
    v("mode", mode,
      "one image after the other; so in batches; decoding beside encoding; several that encode, with fixed shares or whoever is free; "
      "found by trying, every thread doing what is wanted more (the default)",
      {"baseline", "batched", "parallel", "static", "dynamic", "auto"});
    v("schedule", schedule, "another name of --mode, of these two", {"", "dynamic", "static"});
    v("producers", producers, "threads that read, decode and preprocess; 0: what the mode gives");
    v("consumers", consumers, "batches encoded at once; 0: what the mode gives");
    v("batch", batch, "images encoded at once; 0: 32, with mode auto what is fastest");
    v("shard", shard, "i/n: only part i of n of the images, in order");
    v("frame_step", frame_step, "of a video, every so many frames; 0: 10, with boxes each that has some");
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
  IndexOptions options;  ///< as they were in force; of mode auto, as they were in the end
  int threads = 1;       ///< CPUs that were used
  std::vector<EncodeTuner::Trial> trials;  ///< of mode auto
  std::int64_t embedding_dim = 0;
  std::int64_t images = 0;  ///< in the gallery now, of all sources

  /// Percent of the images that could not be read.
  double unreadable() const;
};

/// {"indexed","resumed","replaced","unchanged","unreadable_percent","failed","failures":[{"path","reason"}],"seconds","images_per_s",
/// "embedding_dim","mode","schedule","threads","producers","consumers","batch","shard","images"} and, of mode auto,
/// "trials":[{"consumers","batch","images_per_s"}]
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
