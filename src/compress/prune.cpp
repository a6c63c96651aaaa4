#include "compress/prune.h"

#include <cstdlib>

#include "base/build_info.h"
#include "base/error.h"
#include "base/signals.h"
#include "compress/cut.h"
#include "compress/recovery.h"
#include "train/device.h"
#include "train/rank_place.h"
#include "train/start.h"

namespace edgeclip {

namespace {

void require_one_process() {
  const RankPlace place = rank_place([](const char* name) { return std::getenv(name); });
  if (place.world > 1)
    invalid_input("prune works in one process, and {} started {}; start it alone", place.launcher, place.world);
}

/// What is read while `out` is made.
std::vector<std::filesystem::path> inputs_of(const PruneOptions& options, const PrunePaths& paths, bool with_checkpoint) {
  std::vector<std::filesystem::path> inputs = {paths.data};
  const auto add = [&](const std::string& checkpoint) {
    for (const auto& source : checkpoint_sources(checkpoint)) inputs.push_back(source);
  };
  if (with_checkpoint) add(paths.checkpoint);
  if (const auto& distillation = options.recovery.losses.distillation; distillation.in_use()) add(distillation.teacher);
  return inputs;
}

/// prune.json.
Json description_of(const PruneOptions& options, const PrunePaths& paths, const Cut& pruned, int round) {
  return {{"format", kPruneFormat},
          {"edgeclip", version()},
          {"revision", revision()},
          {"checkpoint", paths.checkpoint},
          {"data", paths.data},
          {"image_root", paths.image_root},
          {"overwrite", paths.overwrite},
          {"dataset", pruned.dataset},
          {"options", options_to_json(options)},
          {"round", round},
          {"report", pruned.report}};
}

/// An exact end needs the very dataset.
void require_same_dataset(const Json& started, const PrunePaths& paths, const std::string& where) {
  const Json& dataset = json_at(started, "dataset", where);
  const std::string in = where + ": dataset";
  if (json_get<std::string>(dataset, "hash", in) != dataset_hash(open_dataset_with_images(paths.data, paths.image_root)))
    invalid_input("{}: holds other data than {}, which the pruning was started with; name that one with --data", paths.data,
                  json_get<std::string>(dataset, "name", in));
}

/// Writes what a round's cut left beside the output, in place of the round before, whose log goes along.
void write_round(const PruneOptions& options, const PrunePaths& paths, const RecoveryFolder& folder, const Cut& pruned, int round,
                 const FolderRules& rules) {
  AtomicDirectory unrecovered(folder.directory(), kPruneFile, rules);
  save_checkpoint(unrecovered.work() / folder.pruned().filename(), pruned.checkpoint);
  if (round > 1) folder.copy_logs(unrecovered.work() / kRoundLogs, round - 1);
  write_json(unrecovered.work() / kPruneFile, description_of(options, paths, pruned, round));
  throw_if_interrupted();
  unrecovered.commit();
}

/// What a round's recovery found is part of the report of all later ones.
void add_round(Json& report, int round, const Json& recovery, const Json& earlier) {
  Json rounds = earlier.value("rounds", Json::array());
  rounds.push_back({{"round", round},
                    {"macs", earlier.at("macs").at("after")},
                    {"parameters", earlier.at("parameters").at("after")},
                    {"val", {{"pruned", earlier.at("val").at("pruned")}, {"recovered", recovery.at("best").at("val")}}}});
  report["rounds"] = rounds;
}

/// From the recovery of that round on.  report: of the rounds' cuts up to it.
Json recovered(const PruneOptions& options, const PrunePaths& paths, const MeasureLatency& latency, const RecoveryFolder& folder,
               AtomicDirectory& out, int round, Json report, const torch::Device& device) {
  try {
    for (; round < options.rounds; ++round) {
      const Json recovery = recover_round(options, paths, folder);
      Cut next = cut(options, paths, latency, load_checkpoint(folder.run() / "best"), round + 1, report, device);
      add_round(next.report, round, recovery, report);
      write_round(options, paths, folder, next, round + 1,
                  {/*overwrite=*/true, inputs_of(options, paths, /*with_checkpoint=*/false), /*keep_others=*/true});
      report = std::move(next.report);
    }
    report["recovery"] = recover(options, paths, folder, out);
  } catch (const Interrupted&) {
    throw Interrupted("interrupted; go on with --resume");
  }
  report["val"]["recovered"] = report["recovery"]["best"]["val"];
  report["out"] = paths.out;
  return report;
}

}  // namespace

Json prune(const PruneOptions& asked, const PrunePaths& asked_paths, const PruneHooks& hooks) {
  PruneOptions options = asked;
  PrunePaths paths = asked_paths;
  options.validate("");
  settle_pruning(options, paths);
  require_one_process();
  const torch::Device device = training_device(paths.device);
  const RecoveryFolder folder(paths.out);
  const std::vector<std::filesystem::path> inputs = inputs_of(options, paths, /*with_checkpoint=*/!paths.resume);
  // Held to the end, so that no other process prunes into the same place.
  AtomicDirectory out(paths.out, kCheckpointFile, {paths.overwrite || (paths.resume && folder.is_finished()), inputs});

  const MeasureLatency latency = [&](const Checkpoint& checkpoint, int tokens) {
    EDGECLIP_CHECK(hooks.latency_ms != nullptr, "target_latency where nothing measures it");
    throw_if_interrupted();
    return hooks.latency_ms(checkpoint, tokens, out.work() / "latency");  // which goes with `out`, whatever happens
  };

  if (paths.resume) {
    const Json started = folder.description();
    const std::string where = folder.prune_json().string();
    require_same_dataset(started, paths, where);
    const int round = started.contains("round") ? json_get<int>(started, "round", where) : 1;
    if (round < 1 || round > options.rounds)
      invalid_input("{}: round: must be 1 to {}, is {}; prune without --resume", where, options.rounds, round);
    return recovered(options, paths, latency, folder, out, round, json_at(started, "report", where), device);
  }
  if (folder.exists() && !paths.overwrite)
    invalid_input("{}: holds a pruning into {} that was interrupted; go on with --resume, start anew with --overwrite, or choose "
                  "another --out",
                  folder.directory().string(), paths.out);
  const FolderRules rules{paths.overwrite, inputs};
  if (options.recovers() || folder.exists()) require_replaceable(folder.directory(), kPruneFile, rules);  // before the work
  Json report;
  {  // the pruned model is read again before it trains, so its memory is free by then
    const Cut pruned = cut(options, paths, latency, load_checkpoint(paths.checkpoint), 1, nullptr, device);
    report = pruned.report;
    if (!options.recovers()) {
      throw_if_interrupted();
      save_checkpoint(out, pruned.checkpoint);
      folder.remove();
      report["recovery"] = nullptr;
      report["out"] = paths.out;
      return report;
    }
    write_round(options, paths, folder, pruned, 1, rules);
  }
  try {
    return recovered(options, paths, latency, folder, out, 1, report, device);
  } catch (const InvalidInput&) {
    // Of the first round there is nothing to go on with but what was refused.
    if (!folder.has_state() && !std::filesystem::exists(folder.rounds())) folder.remove();
    throw;
  }
}

}  // namespace edgeclip
