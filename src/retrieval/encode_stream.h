#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/measure.h"
#include "data/pipeline/decode_pipeline.h"
#include "retrieval/encode_tuner.h"
#include "retrieval/encoder.h"

/// Images of any number from their files to rows, decoded and encoded at the same time.
namespace edgeclip {

struct EncodeStreamOptions {
  /// "baseline": one image after the other, read, decoded and encoded.  "batched": so, in batches.  "parallel": producers decode for
  /// one that encodes.  "static": for several, each with a fixed share.  "dynamic": for several, whoever is free.  "auto": every thread
  /// decodes or encodes, whichever is wanted more; how many encode at once, and how large batches, is found by trying (EncodeTuner).
  std::string mode = "auto";
  int threads = 1;    ///< CPUs to be used
  int producers = 0;  ///< threads that decode; 0: what the mode gives
  int consumers = 0;  ///< batches encoded at once; 0: what the mode gives
  int batch = 0;      ///< images encoded at once; 0: 32, "auto" finds its own
  bool one_reader = false;  ///< of a stream that is read in order
  std::int64_t queue_bytes = std::int64_t{256} << 20;  ///< of decoded images that wait, at most (one for each thread at least)
};

/// What runs: options with nothing left open; "auto": what was found so far.
struct EncodeStreamShape {
  int producers = 1, consumers = 1, batch = 1;
};

class EncodeStream {
 public:
  /// Throws InvalidInput for an unknown mode, and for numbers that the mode does not have.
  EncodeStream(Encoder& encoder, const EncodeStreamOptions& options);

  /// batch: what was encoded, which may be moved from; rows: (n, D) float32.  Called by one thread at a time.
  using Sink = std::function<void(std::vector<DecodedImage>& batch, const float* rows)>;

  /// As DecodePipeline::run(): error() says what failed.
  void run(const DecodePipeline::Next& next, const Sink& sink);

  EncodeStreamShape shape() const;
  /// "auto": what was tried.  Not while it runs.
  const std::vector<EncodeTuner::Trial>& trials() const { return tuner_.trials(); }
  DecodePipeline::Fill fill() const { return pipeline_.fill(); }
  std::exception_ptr error() const { return pipeline_.error(); }

 private:
  void encode(std::vector<DecodedImage>& batch, const Sink& sink);

  Encoder& encoder_;
  const EncodeStreamOptions options_;
  mutable std::mutex tuner_mutex_;
  EncodeTuner tuner_;
  DecodePipeline pipeline_;
  std::mutex sink_mutex_;
  Stopwatch clock_;
};

/// The modes, in the order of the published comparison.
const std::vector<std::string>& encode_modes();

}  // namespace edgeclip
