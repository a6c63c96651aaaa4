#pragma once

#include <torch/torch.h>

#include "compress/choose_units.h"

namespace edgeclip {

struct Cut {
  Checkpoint checkpoint;
  Json dataset = Json::object();  ///< "name", "hash"
  Json report = Json::object();   ///< as prune() returns it, up to here
};

/// One round of a pruning: of 1 to options.rounds, each takes the network as far as that part of the way.  `from` is what the round
/// before left, `earlier` its report; null in the first.  All that "before" says is the network before the first round; of units, and what
/// the floors are of, the same once whole blocks are gone.
Cut cut(const PruneOptions& options, const PrunePaths& paths, const MeasureLatency& latency, Checkpoint from, int round,
        const Json& earlier, const torch::Device& device);

}  // namespace edgeclip
