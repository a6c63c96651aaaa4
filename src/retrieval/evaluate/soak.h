#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "retrieval/encoder.h"
#include "retrieval/evaluate/latency_drift.h"
#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

struct SoakOptions {
  double minutes = 0;  ///< how long; the first tenth is warm-up
  bool append = false;  ///< searches a gallery that grows and shrinks meanwhile (rolling_gallery.h) instead of the one given
  int top = 10;
  std::function<double()> clock;  ///< seconds since any moment, for tests; none: the real time
};

/// What a long run shows: whether memory grows, queries fail, or answers become slower.
struct SoakReport {
  double seconds = 0, warmup_seconds = 0;
  std::int64_t image_queries = 0, text_queries = 0;  ///< answered, warm-up included
  std::int64_t errors = 0;                           ///< batches that were not answered, or not appended
  std::string first_error;
  /// Anonymous resident memory after warm-up, MiB: how fast it grows by least squares over samples of a second; nothing for fewer than
  /// kFewestSamples.
  std::optional<double> slope_mb_per_hour;
  std::int64_t samples = 0;
  double first_mb = 0, last_mb = 0, peak_mb = 0;
  std::vector<LatencyDrift::Class> classes;
  std::vector<LatencyDrift::Result> latencies;  ///< of the classes
  struct Appended {
    std::int64_t images = 0, removed = 0, generations_read = 0;
  };
  std::optional<Appended> appended;  ///< with append
  bool interrupted = false;

  static constexpr std::int64_t kFewestSamples = 10;
  /// Last to first median, the geometric mean over the sizes of batches; nothing where it is known of none.
  std::optional<double> drift(const std::string& kind) const;
};

/// Sizes that a soak asks in turn: 1, 4, 8 and the largest, as far as the model takes them.
std::vector<int> soak_batches(int max_batch);

/// Asks images and texts by turns, in batches of all these sizes, until the time is over.  The memory of the measurement itself does
/// not grow.  What a query throws for a bad file or for the machine's sake is counted, and the run goes on; a broken promise of our own code ends
/// it.  A signal ends it with what was measured.  Throws InvalidInput if the gallery is of another embedding space.
SoakReport run_soak(Encoder& encoder, const GallerySnapshot& gallery, const std::vector<std::filesystem::path>& images,
                    const std::vector<std::string>& texts, const SoakOptions& options);

/// {"minutes","warmup_minutes","image_queries","text_queries","errors","first_error","memory_slope_mb_per_hour","anonymous_mb":{"first",
/// "last","peak"},"samples","latency_drift":{"image","text"},"latency":[{"kind","batch","batches","first_ms","last_ms","drift"}],
/// "appended","removed","generations_read"}; the last three with append.  Null: not known.
Json to_json(const SoakReport& report);

}  // namespace edgeclip
