#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset/dataset.h"
#include "model/checkpoint.h"
#include "train/losses/loss.h"
#include "train/losses/teacher.h"
#include "train/objective_options.h"

namespace edgeclip {

/// What losses may be made of, beside their options; it is not kept.  dataset's tokens are the student's.
struct LossContext {
  const Checkpoint& student;
  const Dataset& dataset;
  const char* split;                 ///< that is trained on
  std::string where{};               ///< what stands before "losses." in the options' names
  const Teacher* teacher = nullptr;  ///< Objective's, where distillation is in use
};

struct LossRow {
  const char* name;  ///< in metrics; below `losses` in the options, but that distillation's parts stand in one group
  double (*weight)(const ObjectiveOptions& options);
  bool measures_unseen;  ///< whether it says something of pairs that are not trained on
  std::shared_ptr<Loss> (*make)(const ObjectiveOptions& options, const LossContext& context);
};

/// All losses, in the order they are added up in.  A new one is a file beside this, its options and a row.
const std::vector<LossRow>& loss_rows();

/// Names of the losses in use that can be measured on persons that are not trained on.
std::vector<std::string> measured_losses(const ObjectiveOptions& options);

}  // namespace edgeclip
