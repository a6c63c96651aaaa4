#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/safetensors.h"
#include "model/dual_encoder.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/weight_average.h"

namespace edgeclip {

/// Where a training stands, beyond weights and moments.  The epoch and the place in it follow from step, and
/// the loader's order is a pure function of seed and epoch.
struct RunPosition {
  std::int64_t step = 0;                                         ///< steps done
  std::int64_t validated_step = -1;                              ///< the last step that was validated
  std::int64_t best_step = -1;                                   ///< -1: no best yet
  double best_score = -std::numeric_limits<double>::infinity();  ///< higher is better
  std::int64_t batches_per_epoch = 0;
  std::int64_t skipped_steps = 0;        ///< whose gradient was not finite
  std::int64_t skipped_in_a_row = 0;     ///< until now
  std::int64_t validations_waited = 0;   ///< without a better score
  bool stopped_early = false;
  Json last_validation = nullptr, best_validation = nullptr;  ///< for the report; null: nothing was validated
};

/// What has a state beside the position: named tensors, taken as they are and put back.
struct StatePart {
  std::function<NamedTensors()> save;  ///< they may share the memory of what they are of
  std::function<void(const SafetensorsFile& file)> load;  ///< throws InvalidInput naming file and tensor
};

/// state.safetensors of a run: its parts, and the hash of what does not change and is not in it (weights that do not
/// train come from --init, or from the seed).  Not thread-safe.
class RunState {
 public:
  /// Parts are saved and loaded in this order.
  void add(StatePart part) { parts_.push_back(std::move(part)); }
  /// unchanging: tensors that must be the same when the run goes on; hashed once, when first saved or loaded.
  void hold_to(std::function<NamedTensors()> unchanging) { unchanging_ = std::move(unchanging); }

  /// Writes everything into one file, atomically: there is no moment at which the parts disagree.
  void save(const std::filesystem::path& path, const RunPosition& position);
  /// The opposite.  Throws InvalidInput naming file and tensor if the file is damaged or belongs to another training.
  RunPosition load(const std::filesystem::path& path);

 private:
  const std::string& unchanging_hash();

  std::vector<StatePart> parts_;
  std::function<NamedTensors()> unchanging_;
  std::string hash_;
};

/// Weights that train, and buffers, which training may move.
StatePart state_of_weights(DualEncoder model);
StatePart state_of_objective(Objective objective);
/// They outlive the part.
StatePart state_of_optimizer(AdamW& optimizer);
StatePart state_of_average(WeightAverage& average);
/// LibTorch's default generator of the CPU, and of device if that is another.
StatePart state_of_generators(const torch::Device& device);

/// The weights that do not train.
NamedTensors frozen_weights(const DualEncoder& model);

}  // namespace edgeclip
