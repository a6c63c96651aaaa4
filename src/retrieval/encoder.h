#pragma once

#include <string>
#include <vector>

#include "base/tensor.h"
#include "bundle/model_card.h"
#include "data/text/tokenizer.h"
#include "kernels/executor.h"

namespace edgeclip {

/// Images or tokens to unit rows.  Implemented over the engine's plans (dual_encoder/plan_encoder.h) and over
/// LibTorch's modules (train/checkpoint_encoder.h); retrieval knows neither.
class Encoder {
 public:
  virtual ~Encoder() = default;

  virtual const ModelCard& card() const = 0;
  virtual std::shared_ptr<const Tokenizer> tokenizer() const = 0;

  /// pixels: (B, 3, H, W) float32, NCHW, normalized as the card says.  Returns (B, D) float32, each row
  /// unit-norm; B = 0 gives an empty result.  Thread-safe.  Throws InvalidInput if H or W differs from the
  /// card's image size.
  virtual Tensor encode_images(const TensorView& pixels) = 0;
  /// tokens: (B, T) int32, T <= context_length.  Returns (B, D) float32, unit rows.  Thread-safe.
  virtual Tensor encode_tokens(const TensorView& tokens) = 0;
  /// Identifies graphs and weights as they are computed with: of a plan, also how it was built.
  virtual std::string model_hash() const = 0;
  /// What its embeddings may be compared with: galleries remember it, and a mismatch is an error.  Where the card does not know, only
  /// with those of the very same file.
  std::string embedding_space() const { return card().embedding_space.empty() ? model_hash() : card().embedding_space; }
  /// Of its arithmetic, "fp32" | "fp16" | "bf16" | "int8", for messages; "": not known.
  virtual std::string precision() const { return ""; }
  /// What its calls divide their work over: who decodes beside it counts himself as a caller there.  nullptr: each call takes all CPUs by
  /// itself, one call at a time.
  virtual kernels::Executor* executor() const { return nullptr; }
  /// Calls that may run at once within the memory that it may take; 0: any number.
  virtual int most_calls() const { return 0; }
  /// Largest batch that runs at once; callers cut their work into such pieces.
  virtual int max_batch() const = 0;
};

}  // namespace edgeclip
