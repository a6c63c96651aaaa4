#pragma once

#include <filesystem>
#include <memory>

#include "engine/plan/plan.h"
#include "retrieval/encoder.h"

namespace edgeclip {

/// An Encoder over the engine's plan: what retrieval is given on the edge.  Thread-safe as PlanRunner is.
class PlanEncoder : public Encoder {
 public:
  /// Throws InvalidInput if the plan folder is damaged or of another format version.
  explicit PlanEncoder(const std::filesystem::path& plan) : runner_(plan) {}

  const ModelCard& card() const override { return runner_.info().card; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return runner_.tokenizer(); }
  Tensor encode_images(const TensorView& pixels) override { return runner_.encode_images(pixels); }
  Tensor encode_tokens(const TensorView& tokens) override { return runner_.encode_tokens(tokens); }
  std::string model_hash() const override { return runner_.info().model_hash; }
  std::string precision() const override { return runner_.info().precision; }
  int max_batch() const override;

  const engine::PlanInfo& info() const { return runner_.info(); }

 private:
  engine::PlanRunner runner_;
};

}  // namespace edgeclip
