#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compress/surgery.h"

namespace edgeclip {

struct DroppedBlock {
  std::string name;  ///< in the network that it was taken from, which the ones before are gone from
  double loss = 0;   ///< without it
};

/// Removes `count` whole blocks, one after the other: each time the one without which loss() is least, found by trying all
/// (as Gromov et al. 2024, arXiv:2403.17887, compare depths; here the loss itself is measured).  Equal losses: the later block.  Throws
/// InvalidInput, naming `option`, if fewer can go, or if loss() is no number without any of them.
std::vector<DroppedBlock> drop_blocks(Checkpoint& checkpoint, int count, const std::function<double(const Checkpoint&)>& loss,
                                      const std::string& option);

}  // namespace edgeclip
