#pragma once

#include "train/objective.h"
#include "train/ranks.h"

namespace edgeclip {

/// The gradient of an objective on a batch.  With micro_batch rows at a time in the towers it is that of the whole batch
/// all the same (gradient caching: Gao, Zhang, Han and Callan 2021, arXiv:2101.06983): all parts are encoded without
/// graph, the objective's gradient on their features is taken, then each part is encoded once more and handed its rows of
/// it.  One more forward pass buys the memory of micro_batch rows.
///
/// With several ranks, each has its rows of the batch: their features are gathered, every rank takes the objective's gradient on all of
/// them and hands its own rows on, and the gradients of the weights are summed in one piece.  Not thread-safe.
class GradientStep {
 public:
  /// micro_batch 0: all rows at once.  ranks outlive it.  Throws InvalidInput if parts of a batch would see each other in the towers,
  /// which is where a BatchNorm trains.
  GradientStep(DualEncoder model, Objective objective, bool bf16, int micro_batch, Ranks& ranks);

  /// Adds to the gradients of all that trains (with several ranks these must be dropped before); the value is that of the whole batch,
  /// without graph.  Random numbers (dropout) are drawn part by
  /// part, the same in both passes.
  ObjectiveValue operator()(const Batch& batch);

 private:
  ObjectiveValue at_once(const Inputs& inputs);
  ObjectiveValue in_parts(const Inputs& inputs);
  void sum_gradients();

  DualEncoder model_;
  Objective objective_;
  const bool bf16_;
  const std::int64_t micro_batch_;
  Ranks& ranks_;
};

}  // namespace edgeclip
