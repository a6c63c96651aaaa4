#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/measure.h"
#include "engine/runtime/machine_peaks.h"
#include "engine/runtime/session.h"

namespace edgeclip::engine {

/// What each node of a context costs: an observer that adds up.  Not thread-safe; must outlive the observing.
class NodeProfile {
 public:
  /// Observes the context's runs from now on; reset() forgets those so far (a warm-up).
  explicit NodeProfile(Context& context);
  void reset() { nodes_.clear(); }

  /// Precisions that a layer multiplies in: those whose own peaks are worth measuring.
  std::vector<std::string> multiplied_precisions() const;

  /// {"runs", "total_ms", "total_macs", "layers": [{"name", "op", "domain", "origins" (names of ONNX nodes),
  /// "kernel", "precision" (ops/precision.h), "dtype" and "output" (shape of the first output), "ms"
  /// (median), "share" (of the sum of medians), "bytes" (read and written, each once), "macs" (both:
  /// ops/node_cost.h)}]}, in the order they run.
  Json json() const;

  /// The same with the roofs, "peak_gmacs" (of float32), "peak_gmacs_bf16", "peak_gmacs_int8" (where `gmacs`
  /// has them), "peak_gb_s" and "peak_buffer_mb", and each layer's "roofline_share": the least time that the
  /// roofs allow, max(macs / peak of its precision, bytes / peak_gb_s), by its time.  1: as fast as this
  /// machine can. More is possible, since a layer's bytes may lie in the caches; null for what took no
  /// measurable time.
  Json json(const MachinePeaks& peaks, const std::map<std::string, double>& gmacs = {}) const;

 private:
  struct Layer {
    std::string name, op, domain, kernel, precision, dtype, output;
    std::vector<std::string> origins;
    std::int64_t bytes = 0, macs = 0;
    QuantileSketch ms;
  };
  void add(const NodeRun& run);

  std::vector<Layer> nodes_;
  std::size_t next_ = 0;
};

}  // namespace edgeclip::engine
