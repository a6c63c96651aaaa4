#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/queue.h"
#include "data/image/image.h"
#include "retrieval/encoder.h"
#include "retrieval/gallery/item.h"

namespace edgeclip {

/// An image on its way to the encoder.
struct Sample {
  std::int64_t index = 0;  ///< place in the input order
  GalleryItem item;
  Image image;             ///< as transform_geometry() gives it: the tower's size, bytes
};

struct PipelineOptions {
  int producers = 1;    ///< threads that read, decode and resize
  int consumers = 1;    ///< threads that encode
  int batch = 32;       ///< images encoded at once
  bool dynamic = true;  ///< whoever is free takes the next image; else each has a fixed share
  std::int64_t queue_bytes = std::int64_t{256} << 20;  ///< of decoded images that wait, at most (one for each thread at least)
};

/// Producers decode, consumers encode in batches and hand the rows on; bounded queues lie between them.
class EncodePipeline {
 public:
  /// batch: what was encoded, which may be moved from; rows: (n, D) float32.  Called by one consumer at a time.
  using Sink = std::function<void(std::vector<Sample>& batch, const float* rows)>;

  EncodePipeline(Encoder& encoder, const PipelineOptions& options, Sink sink);

  /// Runs produce(p) in each of the producers' threads and returns when all is encoded, a signal has come, or something failed: error()
  /// then says what.  Once only.
  void run(const std::function<void(int producer)>& produce);

  /// For producers: hands an image on, waiting for room.
  void push(int producer, Sample sample);
  /// For producers: they are to end.
  bool stopping() const;

  std::exception_ptr error() const { return error_; }

 private:
  void close();
  void guarded(const std::function<void()>& body);
  void consume(int consumer);
  void encode(std::vector<Sample>& batch);

  Encoder& encoder_;
  const PipelineOptions options_;
  const Sink sink_;
  std::vector<std::unique_ptr<BoundedQueue<Sample>>> queues_;  ///< one for all consumers, or one each
  std::vector<std::int64_t> pushed_;                           ///< by producer
  std::atomic<bool> stopped_{false};
  std::mutex error_mutex_, sink_mutex_;
  std::exception_ptr error_;
};

}  // namespace edgeclip
