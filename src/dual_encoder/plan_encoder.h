#pragma once

#include <filesystem>
#include <memory>

#include "engine/plan/plan.h"
#include "engine/runtime/log.h"
#include "retrieval/encoder.h"

namespace edgeclip {

struct PlanEncoderOptions {
  /// Threads that all calls at work divide their work over, those that call among them; 0: thread_count().
  int threads = 0;
  /// Most memory of the activations and scratch of all contexts of both towers together, MiB; a call that
  /// would exceed it throws InvalidInput.  0: each context may take what the plan says, and nothing bounds
  /// their sum.
  std::int64_t memory_pool_mb = 0;
  /// As SessionOptions::log, of both towers.
  engine::LogCallback log{};
  /// As SessionOptions::packed_cache, of both towers: a file each.
  bool packed_cache = false;
};

/// A plan of a dual encoder (graphs "image" and "text", a tokenizer, a model card of task "dual_encoder") as
/// an Encoder.  A tower is opened, and its file read and checked, when it is first used.  Batches larger than
/// the plan's largest profile are cut.  Thread-safe: every call has a context of its own while it runs, so
/// that there are as many per tower as calls ran at once lately (engine/runtime/context_pool.h).
class PlanEncoder : public Encoder {
 public:
  /// Throws InvalidInput if the folder is no such plan, of another format version, or damaged.
  explicit PlanEncoder(const std::filesystem::path& plan, const PlanEncoderOptions& options = {});
  ~PlanEncoder() override;

  const ModelCard& card() const override;
  std::shared_ptr<const Tokenizer> tokenizer() const override;
  Tensor encode_images(const TensorView& pixels) override;
  /// Also int64 tokens.
  Tensor encode_tokens(const TensorView& tokens) override;
  std::string model_hash() const override;
  std::string precision() const override;
  int max_batch() const override;
  kernels::Executor* executor() const override;
  int most_calls() const override;

  const engine::PlanInfo& info() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The model card of a plan of this task.  Throws InvalidInput if it is of another one.
ModelCard dual_encoder_card(const engine::PlanInfo& plan);

}  // namespace edgeclip
