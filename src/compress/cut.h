#pragma once

#include <torch/torch.h>

#include "compress/prune.h"

namespace edgeclip {

struct Cut {
  Checkpoint checkpoint;
  Json dataset = Json::object();  ///< "name", "hash"
  Json report = Json::object();   ///< as prune() returns it, up to here
};

/// One round of a pruning: of 1 to options.rounds, each takes the network as far as that part of the way.  `from` is what the round
/// before left, `earlier` its report; null in the first.  All that "before" says, and what the floors are of, is the network before the
/// first round.
Cut cut(const PruneOptions& options, const PrunePaths& paths, const PruneHooks& hooks, Checkpoint from, int round, const Json& earlier,
        const torch::Device& device);

}  // namespace edgeclip
