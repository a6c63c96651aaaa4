#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/quantile_sketch.h"

namespace edgeclip {

/// Whether answers become slower in a long run: of each kind of queries the median of the last tenth of the time beside that of the
/// first.  All memory is taken at construction, however many there are.  Not thread-safe.
class LatencyDrift {
 public:
  /// Queries that take alike: of one kind, in batches of one size.
  struct Class {
    std::string kind;
    int batch = 1;
  };
  struct Result {
    std::int64_t batches = 0;  ///< answered, warm-up included
    /// Medians, milliseconds; nothing where a tenth had no query.  Of a run that was cut off the last is that of its last whole tenth.
    std::optional<double> first_ms, last_ms;
    std::optional<double> ratio() const;  ///< last to first
  };

  /// begin, end: of the time that counts, seconds; what comes before is warm-up.
  LatencyDrift(const std::vector<Class>& classes, double begin, double end);

  /// A query that was answered at `seconds`, which never goes back.
  void add(std::size_t of_class, double seconds, double ms);
  /// What is known when the run ends at `seconds`, in the order of the classes.
  std::vector<Result> results(double seconds);

 private:
  static constexpr int kTenths = 10;
  struct State {
    std::int64_t batches = 0;
    QuantileSketch first, before, now;  ///< of the first tenth, the one before this, and this
  };
  /// -1: warm-up.
  int tenth_at(double seconds) const;
  void go_to(int tenth);

  const double begin_, length_;  ///< of a tenth, seconds
  const double end_;
  int tenth_ = -1;
  std::vector<State> states_;
};

}  // namespace edgeclip
