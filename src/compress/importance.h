#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "data/dataset/loader.h"
#include "model/prune_groups.h"
#include "train/objective.h"

namespace edgeclip {

/// Scores every unit of prune groups on calibration batches.  h are a unit's values where a token of a pair goes by (a neuron's one, a
/// head's many), or an image (a channel's at all places); padding after the end of a text does not count.
///   taylor      sum over tokens, or images, of |sum of h dL/dh|, L the objective in evaluation mode: the first-order change of L if h
///               were zero there (Molchanov et al. 2019, arXiv:1906.10771; of channels Molchanov et al. 2016, arXiv:1611.06440, of heads
///               Michel et al. 2019, arXiv:1905.10650).  Of a channel that several blocks write to, the sum over what each writes.  All
///               are changes of one L, so that groups compare as they are
///   activation  sum over tokens and places of |h| times the norm of the weights that read it: how much the unit writes, in its
///               group's own scale
///   magnitude   the norm of all weights that make or read the unit (Han et al. 2015, arXiv:1506.02626, by units); data do not count
/// Means over batches.  Not thread-safe.
class UnitImportance {
 public:
  /// groups: of the model, which must have no adapter and outlive this; it is used in evaluation mode.
  UnitImportance(DualEncoder model, std::vector<PruneGroup> groups, std::string kind);
  /// Whether add() has any effect.
  bool reads_data() const { return kind_ != "magnitude"; }
  /// For taylor a loss of objective must be one that can be measured in evaluation mode.
  void add(const Batch& batch, Objective& objective);
  /// One (units) float32 vector per group.  Throws InvalidInput naming a group whose scores are no numbers.
  std::vector<torch::Tensor> scores() const;

 private:
  torch::Tensor unit_norms(const PruneGroup& group, bool readers_alone) const;

  DualEncoder model_;
  std::vector<PruneGroup> groups_;
  const std::string kind_;
  std::vector<torch::Tensor> sums_;
  std::int64_t batches_ = 0;
};

}  // namespace edgeclip
