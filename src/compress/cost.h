#pragma once

#include <cstdint>
#include <vector>

#include "model/prune_groups.h"

namespace edgeclip {

/// Multiply-accumulates of a pass of one image and one caption, by how many units of each group are left.  They are those of the
/// exported network, as profile_model() counts them.  A weight between two groups costs the product of what is left of both.
class PassCost {
 public:
  /// groups: prune_groups(model, tokens), or some of them.
  PassCost(const DualEncoder& model, const std::vector<PruneGroup>& groups, int tokens);

  /// kept: how many units of each group stay.
  double macs(const std::vector<std::int64_t>& kept) const;
  /// What goes with n of those units of a group.
  double saved(const std::vector<std::int64_t>& kept, std::size_t group, std::int64_t n) const;
  std::vector<std::int64_t> all_units() const { return units_; }

 private:
  /// A weight that groups have slices of.
  struct Weight {
    double macs = 0;  ///< whole
    std::vector<std::size_t> groups;
  };
  double part(const Weight& weight, const std::vector<std::int64_t>& kept) const;

  double other_ = 0;  ///< macs of all that no group touches
  std::vector<std::int64_t> units_;
  std::vector<double> unit_macs_;
  std::vector<Weight> weights_;
  std::vector<std::vector<std::size_t>> weights_of_;  ///< of each group
};

}  // namespace edgeclip
