#pragma once

#include "retrieval/encoder.h"
#include "train/ranks.h"

namespace edgeclip {

/// An encoder of which every rank computes its part of the rows.  All ranks call it with the same rows in the same order; not thread-safe.
/// Throws Interrupted in all of them.
class RankedEncoder : public Encoder {
 public:
  /// Both outlive it.
  RankedEncoder(Encoder& encoder, Ranks& ranks) : encoder_(encoder), ranks_(ranks) {}

  const ModelCard& card() const override { return encoder_.card(); }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return encoder_.tokenizer(); }
  Tensor encode_images(const TensorView& pixels) override;
  Tensor encode_tokens(const TensorView& tokens) override;
  std::string model_hash() const override { return encoder_.model_hash(); }
  std::string precision() const override { return encoder_.precision(); }
  int max_batch() const override { return encoder_.max_batch(); }

 private:
  template <class Encode>
  Tensor divided(const TensorView& rows, const Encode& encode);

  Encoder& encoder_;
  Ranks& ranks_;
};

}  // namespace edgeclip
