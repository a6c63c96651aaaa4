#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compress/prune.h"
#include "compress/surgery.h"

namespace edgeclip {

/// The network that a pruning starts from, which ratios, targets and floors are parts of.
struct PruneStart {
  int tokens = 1;                             ///< of a caption, in the mean over the training split
  double macs = 0;                            ///< of a pass of one image and one caption
  std::optional<double> latency_ms;           ///< where that is the target
  std::map<std::string, std::int64_t> units;  ///< of each group, once whole blocks are gone
};

/// PruneHooks::latency_ms, with its place for files.
using MeasureLatency = std::function<double(const Checkpoint& checkpoint, int tokens)>;

/// But for the units.
PruneStart start_of(const PruneOptions& options, const MeasureLatency& latency, const Checkpoint& checkpoint, int tokens);
/// As units_report() of an earlier round says.
PruneStart start_from(const Json& report);

/// What stays in that round.  groups: prune_groups(checkpoint.model, start.tokens); scores: of their units.  Throws InvalidInput where a
/// target cannot be reached in the last round, saying how near one comes, or where an option would remove nothing.
KeptUnits choose_units(const PruneOptions& options, const MeasureLatency& latency, int round, const PruneStart& start,
                       const Checkpoint& checkpoint, const std::vector<PruneGroup>& groups, const std::vector<std::vector<float>>& scores);

/// "neurons", "heads", "channels": {"before", "after", "layers": [{"name", "before", "after"}]}, "macs": {"before", "after", "tokens"},
/// "latency_ms": {"before", "after"}, where that is the target.
Json units_report(const MeasureLatency& latency, const PruneStart& start, const Checkpoint& pruned);

}  // namespace edgeclip
