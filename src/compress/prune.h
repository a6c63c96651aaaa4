#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/json.h"
#include "compress/prune_options.h"
#include "model/checkpoint.h"

namespace edgeclip {

struct PrunePaths {
  std::string checkpoint, data, out;
  std::string image_root{};     ///< of the dataset's images, where they were moved; else ""
  bool resume = false;          ///< goes on with the recovery of an interrupted pruning into `out`
  bool overwrite = false;       ///< replaces a checkpoint in `out`, and without resume an interrupted pruning into it
  std::string device = "auto";  ///< where it computes (train/device.h)
  Json named = nullptr;         ///< options that the caller named, with their defaults or not (train/asked_options.h)
};

/// What is measured outside of this room.
struct PruneHooks {
  /// Milliseconds that the deployed network takes for one image and one caption of `tokens` tokens.  scratch: a place for files, which are
  /// gone afterwards.  For target_latency.
  std::function<double(const Checkpoint& checkpoint, int tokens, const std::filesystem::path& scratch)> latency_ms;
};

/// mlp_ratio becomes 0 beside another goal, unless it was asked for.  resume: all that was not asked for is that of the interrupted pruning.  Throws InvalidInput if there is none, or naming what was
/// asked for and is not what it was started with.
void settle_pruning(PruneOptions& options, PrunePaths& paths);

/// Checkpoint to smaller checkpoint, after settle_pruning().  With recovery the pruned checkpoint is first written beside `out`
/// (recovery.h) and trained in a run folder; in several rounds its best is cut further; `out` becomes the best of the last run, with the
/// runs' logs in `out`/recovery.  On a signal in a recovery throws Interrupted, with its state saved.  In one process only.  Returns the
/// report: "neurons", "heads", "channels" (before and after, per layer), "blocks", "macs", "sparsity", "parameters", "val".
Json prune(const PruneOptions& options, const PrunePaths& paths, const PruneHooks& hooks = {});

}  // namespace edgeclip
