#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Below this a layer is named: noise of a hundredth of the signal's power, where the cosine between the two
/// values falls below 1 / sqrt(1 + 10^(-dB / 10)) = 0.995, halfway between what verify asks of 16 bits
/// (0.9995, 30 dB) and of int8 (0.99, 17 dB).
inline constexpr double kSqnrLimitDb = 20;

struct CompareOptions {
  double sqnr_limit_db = kSqnrLimitDb;
  std::int64_t memory_pool_mb = 1 << 14;  ///< of each of the two
  int threads = 0;                        ///< as SessionOptions has it
};

/// A value that both graphs compute.
struct ComparedValue {
  std::string layer, op, value;      ///< the reference's node that computes it, and its name
  std::vector<std::string> origins;  ///< ONNX nodes whose work that node does
  std::string precision;             ///< of the node that computes it in the other graph
  std::string shape;
  bool equal = false;             ///< no element differs
  std::optional<double> sqnr_db;  ///< nothing where they are equal, or one side only is not finite
  bool below = false;             ///< its SQNR is below the limit, or it is not finite on one side only
};

struct PrecisionComparison {
  double sqnr_limit_db = kSqnrLimitDb;
  std::vector<ComparedValue> values;  ///< in the order in which the reference runs
  std::optional<std::size_t> first_below;
  std::vector<std::string> not_compared;  ///< floats of the reference that the other graph has no floats of
};

/// Runs both graphs on the same inputs and compares every value of floats that both compute, matched by name:
/// signal-to-quantization-noise ratio, 10 log10(sum r^2 / sum (r - o)^2) in dB (Nagel et al.: A White Paper
/// on Neural Network Quantization, 2021).  The other graph's errors add up as they do when it runs, so the
/// first value below the limit is where they became too large, not the only place where they arise.  float64
/// is compared as float32. `reference` and `other`: the same model after whatever passes, with the same
/// inputs; inputs: in their order.  Keeps all values of the reference at once, which may be much more than
/// its arena.  Throws InvalidInput if an input does not fit, or the graphs' inputs differ.
PrecisionComparison compare_precisions(engine::Graph reference, engine::Graph other,
                                       const std::vector<TensorView>& inputs, const CompareOptions& options);

/// {"sqnr_limit_db", "passed", "first_below" (null or the name of a layer), "compared", "not_compared" (names
/// of values), "values": [{"layer", "op", "origins", "value", "shape", "precision", "equal", "sqnr_db" (null
/// where equal, or not finite on one side), "below"}]}
Json to_json(const PrecisionComparison& comparison);

}  // namespace edgeclip::builder
