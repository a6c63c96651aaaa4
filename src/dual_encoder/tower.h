#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "engine/plan/plan.h"
#include "engine/runtime/context_pool.h"

namespace edgeclip {

/// One tower of a plan, opened when it is first used.  Thread-safe.
class Tower {
 public:
  /// graph: its name in the plan; width: D of its embeddings.  plan and options must outlive it.
  Tower(const engine::PlanInfo& plan, const char* graph, std::int64_t width,
        const engine::SessionOptions& options)
      : plan_(plan), graph_(graph), width_(width), options_(options) {}

  /// (B, ...) -> (B, D) float32, at most the largest batch profile at once.  Throws InvalidInput if the
  /// graph is none of a tower, or refuses the input.
  Tensor encode(const TensorView& input);

 private:
  struct Opened {
    explicit Opened(engine::Session&& s) : session(std::move(s)), contexts(session) {}
    const engine::Session session;
    engine::ContextPool contexts;
  };
  Opened& opened();

  const engine::PlanInfo& plan_;
  const char* const graph_;
  const std::int64_t width_;
  const engine::SessionOptions& options_;
  std::mutex mutex_;
  std::unique_ptr<Opened> opened_;
};

}  // namespace edgeclip
