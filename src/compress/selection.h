#pragma once

#include <cstdint>
#include <vector>

#include "compress/cost.h"

namespace edgeclip {

/// What of a group's scores stands beside other groups' in one ranking.
enum class Ranking {
  score,          ///< the score: of one scale in all groups
  score_per_mac,  ///< the score by the multiply-accumulates that go with the unit
  group_mean      ///< the score by its group's mean: groups of any scale lose alike
};

/// Units of a group (a layer's neurons, heads or channels) that may go.
struct UnitScores {
  std::vector<float> scores;  ///< importance of each, finite and not negative
  int multiple = 8;           ///< a group that loses units keeps a multiple of this
  std::int64_t least = 1;     ///< units that stay
  double macs = 1;            ///< what goes with one, for score_per_mac
};

/// Units that stay of each group, ascending.
using KeptUnits = std::vector<std::vector<std::int64_t>>;

/// Removes the part `remove` of all units.
///
/// global: the `multiple` units with the smallest mean of what `ranking` says go first, whatever group they are of, as long as `least`
/// stay of it; else the same part of each group.  At most the asked part is removed; less where `least` or rounding forbids more.
/// Equal scores: the later unit goes first.
KeptUnits select_units(const std::vector<UnitScores>& groups, double remove, bool global, Ranking ranking);

struct MacSelection {
  KeptUnits kept;
  double macs = 0;  ///< of a pass with them
};

/// Removes units until a pass takes at most `most_macs`: those first that count least (score, or with group_mean score by its group's
/// mean) for each multiply-accumulate that goes with them as things are by then.  cost: of the same groups.  Where the floors forbid to
/// go as far, it is the least that they allow.
MacSelection select_for_macs(const std::vector<UnitScores>& groups, const PassCost& cost, double most_macs, Ranking ranking);

}  // namespace edgeclip
