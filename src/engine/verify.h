#pragma once

#include <string>

#include "base/json.h"

namespace edgeclip::engine {

struct VerifyOptions {
  std::string bundle;
  std::string plan;       ///< of that bundle: what is compared; empty: the bundle's ONNX files
  double max_abs = 2e-5;  ///< of unit embeddings, fp32 bundles
  double min_cosine = 0.99999;
  double int8_min_cosine = 0.99;  ///< int8 bundles (Q/DQ) and plans are compared by cosine only
};

/// Replays the bundle's reference inputs (batches 1, 3, 8; token counts 5, 20, context length) through the
/// engine and compares with LibTorch's outputs.  With a plan its files are run, by its precision's tolerance.
/// {"passed", "tolerance", "cases":
/// [{"name","max_abs","cosine","passed"}]}
Json verify_bundle(const VerifyOptions& options);

}  // namespace edgeclip::engine
