#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>

#include "base/json.h"
#include "model/dual_encoder.h"
#include "train/objective.h"
#include "train/optimizer.h"

namespace edgeclip {

/// Where a training stands, beyond weights and moments.  The epoch and the place in it follow from step, and
/// the loader's order is a pure function of seed and epoch.
struct RunState {
  std::int64_t step = 0;                                         ///< steps done
  std::int64_t validated_step = -1;                              ///< the last step that was validated
  std::int64_t best_step = -1;                                   ///< -1: no best yet
  double best_score = -std::numeric_limits<double>::infinity();  ///< higher is better
  std::int64_t batches_per_epoch = 0;
  Json last_validation = nullptr, best_validation = nullptr;  ///< for the report; null: nothing was validated
};

/// Writes all weights (adapter and frozen ones, and the objective's, included), the optimizer's moments,
/// LibTorch's random state and `state` into one safetensors file, atomically: there is no moment at which
/// they disagree.
void save_run_state(const std::filesystem::path& path, const DualEncoder& model, const Objective& objective,
                    const AdamW& optimizer, const RunState& state);

/// The opposite.  Throws InvalidInput naming file and tensor if the file belongs to another model.
RunState load_run_state(const std::filesystem::path& path, DualEncoder& model, Objective& objective,
                        AdamW& optimizer);

}  // namespace edgeclip
