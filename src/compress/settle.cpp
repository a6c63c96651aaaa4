#include "base/error.h"
#include "compress/prune.h"
#include "compress/recovery.h"
#include "train/asked_options.h"
#include "train/run_folder.h"

namespace edgeclip {

namespace {

/// The neurons' usual part is what goes where nothing is said, not beside what was said.
void settle_ratio(PruneOptions& options, const Json& named) {
  if (!options.has_other_goal()) return;
  const bool asked = asked_options(options_to_json(options), options_to_json(PruneOptions()), named).contains("mlp_ratio");
  if (asked && options.has_target() && options.mlp_ratio > 0)
    invalid_input("mlp_ratio: {} decides how much goes; leave one of the two out",
                  options.target_macs > 0 ? "target_macs" : "target_latency");
  if (!asked) options.mlp_ratio = 0;
}

}  // namespace

void settle_pruning(PruneOptions& options, PrunePaths& paths) {
  if (!paths.resume) return settle_ratio(options, paths.named);
  const RecoveryFolder folder(paths.out);
  const Json started = folder.description();
  const std::string where = folder.prune_json().string();
  paths.checkpoint = remembered_path(started, "checkpoint", paths.checkpoint, where);
  paths.data = remembered_data(started, paths.data, where);
  if (paths.image_root.empty()) paths.image_root = json_get<std::string>(started, "image_root", where);
  paths.overwrite = paths.overwrite || json_get<bool>(started, "overwrite", where);

  PruneOptions before;  // what an older edgeclip did not know yet has its default
  options_from_json(json_at(started, "options", where), before, where + ": options");
  Json was = options_to_json(before), now = was;
  overlay(now, asked_options(options_to_json(options), options_to_json(PruneOptions()), paths.named));
  accept_free_options(was["recovery"], now["recovery"]);
  require_same_options(was, now, where);
  PruneOptions settled;
  options_from_json(now, settled, where + ": options");
  options = settled;
}

}  // namespace edgeclip
