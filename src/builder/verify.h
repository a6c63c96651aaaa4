#pragma once

#include <functional>
#include <string>

#include "base/json.h"
#include "base/tensor.h"

namespace edgeclip::builder {

struct VerifyOptions {
  std::string bundle;
  double max_abs = 2e-5;  ///< of unit embeddings, fp32 bundles
  double min_cosine = 0.99999;
  double half_min_cosine = 0.9995;  ///< bf16 and fp16 plans are compared by cosine only
  double int8_min_cosine = 0.99;  ///< int8 bundles (Q/DQ) and plans are compared by cosine only
};

/// What is compared instead of the bundle's ONNX files: a plan that was built from it.
struct PlanUnderTest {
  std::string where;  ///< for messages
  std::string precision;
  Json card;
  std::function<Tensor(const TensorView& pixels)> image;  ///< (B, 3, H, W) -> (B, D)
  std::function<Tensor(const TensorView& tokens)> text;   ///< (B, T) -> (B, D)
};

/// Replays the bundle's reference inputs (batches 1, 3, 8; token counts 5, 20, context length) through the
/// engine and compares with LibTorch's outputs.  With a plan its files are run, by its precision's tolerance.  An image tower that
/// merges tokens is judged by the median row in fewer bits than float32 ("merged_median"): there rounding decides what is merged.
/// {"passed", "tolerance", "cases": [{"name","max_abs","cosine","passed"}], "layers" (of ONNX files: verify_layers.h), "first_layer":
/// where a case did not pass, the first of its tower beyond the cosine's tolerance, or null}
Json verify_bundle(const VerifyOptions& options, const PlanUnderTest* plan = nullptr);

}  // namespace edgeclip::builder
