#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace edgeclip {

/// `run --compare-precisions A,B` of an ONNX file, or `run --compare-with OTHER` of anything.
struct RunComparison {
  std::string model, graph;
  std::string precisions;  ///< "A,B", or
  std::string with;        ///< another plan or ONNX file of the same model
  double sqnr_limit = 0;   ///< dB
  std::vector<std::string> input;
  std::int64_t memory_pool_mb = 0;
};

/// Prints the layers and returns the report, {"model", "compared_with", "comparison":
/// builder/compare_precisions.h}; "precisions" too where those are compared.  Throws InvalidInput, and
/// CheckNotMetWithReport naming the first layer below the limit.
Json compare_runs(const RunComparison& options);

}  // namespace edgeclip
