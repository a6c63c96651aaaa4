#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "engine/runtime/session.h"

namespace edgeclip::engine {

/// What each node of a context costs: an observer that adds up.  Not thread-safe; must outlive the observing.
class NodeProfile {
 public:
  /// Observes the context's runs from now on; reset() forgets those so far (a warm-up).
  explicit NodeProfile(Context& context);
  void reset() { nodes_.clear(); }

  /// {"runs", "total_ms", "layers": [{"name", "op", "domain", "origins" (names of ONNX nodes), "kernel",
  /// "dtype", "output", "ms" (median), "share" (of the sum of medians), "bytes" (read and written, each
  /// once)}]}, in the order they run.
  Json json() const;

 private:
  struct Layer {
    std::string name, op, domain, kernel, dtype, output;
    std::vector<std::string> origins;
    std::int64_t bytes = 0;
    std::vector<double> ms;
  };
  void add(const NodeRun& run);

  std::vector<Layer> nodes_;
  std::size_t next_ = 0;
};

}  // namespace edgeclip::engine
