#pragma once

#include <memory>
#include <vector>

#include "data/dataset/dataset.h"
#include "model/checkpoint.h"
#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// What losses may be made of, beside their options; it is not kept.  dataset's tokens are the student's.
struct LossContext {
  const Checkpoint& student;
  const Dataset& dataset;
  const char* split;  ///< that is trained on
};

struct LossRow {
  const char* name;  ///< below `losses` in the options, and in metrics
  double (*weight)(const ObjectiveOptions& options);
  std::shared_ptr<Loss> (*make)(const ObjectiveOptions& options, const LossContext& context);
};

/// All losses, in the order they are added up in.  A new one is a file beside this, its options and a row.
const std::vector<LossRow>& loss_rows();

}  // namespace edgeclip
