#include <filesystem>

#include "base/error.h"
#include "compress/prune.h"
#include "compress/recovery.h"
#include "train/asked_options.h"
#include "train/run_folder.h"

namespace edgeclip {

namespace {

namespace fs = std::filesystem;

/// The checkpoint that was pruned, which the user need not repeat.
std::string started_from(const Json& started, const std::string& asked, const std::string& where) {
  const auto checkpoint = json_get<std::string>(started, "checkpoint", where);
  if (!asked.empty() && asked != checkpoint && fs::weakly_canonical(asked) != fs::weakly_canonical(checkpoint))
    invalid_input("--checkpoint {}: {} was started with {}; leave --checkpoint out", asked, where, checkpoint);
  return checkpoint;
}

}  // namespace

void settle_pruning(PruneOptions& options, PrunePaths& paths) {
  if (!paths.resume) return;
  const RecoveryFolder folder(paths.out);
  const Json started = folder.description();
  const std::string where = folder.prune_json().string();
  paths.checkpoint = started_from(started, paths.checkpoint, where);
  if (paths.data.empty()) {
    paths.data = json_get<std::string>(started, "data", where);
    if (!fs::exists(paths.data))
      invalid_input("{}: data: {} is not there; name the dataset with --data", where, paths.data);
  }
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
