#pragma once

#include <memory>
#include <optional>

#include "data/dataset/dataset.h"
#include "model/checkpoint.h"
#include "model/quantization/fake_quantization.h"
#include "train/quantization_options.h"
#include "train/ranks.h"
#include "train/run_state.h"

namespace edgeclip {

/// int8 in the loop of a training, as the options say, or nothing at all.  In each step layers round by the ranges that earlier steps
/// left; what all of its batch, of all ranks, gave moves them once it is done.  So the gradient does not depend on the parts that a
/// batch is taken in.  Not thread-safe.
class QuantizationAware {
 public:
  /// steps: of the whole run.  ranks outlive it.  Throws InvalidInput if the exclusions do not fit the model.
  QuantizationAware(const QuantizationAwareOptions& options, const DualEncoder& model, const Dataset& dataset, std::int64_t steps,
                    Ranks& ranks);

  /// What must lie between these two is one forward and backward pass of step `step`, from 0, of all ranks.
  void begin_step(std::int64_t step);
  /// counts: false for a step that is left out.
  void end_step(bool counts);

  /// For its lifetime the model computes as in int8, as far as ranges are known.
  class Measuring {
   public:
    explicit Measuring(QuantizationAware& quantization);
    ~Measuring();
    Measuring(const Measuring&) = delete;
    Measuring& operator=(const Measuring&) = delete;

   private:
    FakeQuantization* const layers_;
  };

  /// Of the ranges; nothing if it is off.  It outlives the part.
  std::optional<StatePart> state();
  /// Gives the checkpoint the ranges that its model has now, or takes away what it had.
  void describe(Checkpoint& checkpoint) const;

 private:
  const QuantizationAwareOptions options_;
  QuantizationRanges trained_on_;  ///< for describe()
  Ranks& ranks_;
  std::unique_ptr<FakeQuantization> layers_;  ///< or null
  std::int64_t start_ = 0, freeze_ = 0;       ///< steps
  bool observes_ = false;
};

}  // namespace edgeclip
