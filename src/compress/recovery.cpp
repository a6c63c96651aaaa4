#include "compress/recovery.h"

#include "base/artifact.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/output_claim.h"
#include "base/remove_tree.h"
#include "model/checkpoint.h"
#include "train/run_folder.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// "out" and "out/" have one folder beside them.
fs::path beside(const fs::path& out) {
  fs::path place = out.lexically_normal();
  if (!place.has_filename()) place = place.parent_path();
  return place += ".recovery";
}

/// The first entry of the folder that is somebody else's; "": there is none.
std::string foreign_entry(const RecoveryFolder& folder) {
  for (const auto& entry : fs::directory_iterator(folder.directory())) {
    const fs::path& path = entry.path();
    if (path != folder.prune_json() && path != folder.pruned() && path != folder.run() && path != folder.rounds() && !is_temporary(path.filename()))
      return path.filename().string();
  }
  return "";
}

/// The pruned checkpoint lies beside its run, wherever both were moved since.
void init_lies_at(const std::string& pruned, const fs::path& run_json) {
  Json run = read_json(run_json);
  if (run.value("init", "") == pruned) return;
  run["init"] = pruned;
  write_json(run_json, run);
}

}  // namespace

RecoveryFolder::RecoveryFolder(const fs::path& out) : out_(out), directory_(beside(out)) {}

bool RecoveryFolder::exists() const {
  recover_parked(output_place(directory_));  // each round replaces it
  return is_artifact_head(prune_json());
}

bool RecoveryFolder::has_state() const { return fs::is_regular_file(run() / "state.safetensors"); }

Json RecoveryFolder::description() const {
  recover_parked(output_place(directory_));
  if (!fs::exists(prune_json()))
    invalid_input("{}: is not there, so no pruning into {} was interrupted in its recovery; prune without --resume",
                  directory_.string(), out_.string());
  return read_artifact_head(prune_json(), kPruneFormat, "prune without --resume");
}

bool RecoveryFolder::is_finished() const {
  // Times stand in it, so no other run has the same.
  const fs::path here = run() / "metrics.jsonl", there = out_ / kRecoveryLog / "metrics.jsonl";
  return fs::is_regular_file(here) && fs::is_regular_file(there) && hash_file(here) == hash_file(there);
}

void RecoveryFolder::remove() const {
  if (!exists()) return;
  if (const std::string other = foreign_entry(*this); !other.empty()) {
    spdlog::warn("{}: stays, as it holds \"{}\", which edgeclip did not write", directory_.string(), other);
    for (const fs::path& own : {run(), pruned(), rounds(), prune_json()}) remove_tree(own.c_str());
    return;
  }
  const fs::path away = temporary_of(directory_);  // whoever comes next removes what a killed process leaves there
  remove_tree(away.c_str());
  std::error_code error;
  fs::rename(directory_, away, error);
  if (error) throw_io_error(directory_, "cannot be removed", error.value(), "it is no longer needed");
  remove_tree(away.c_str());
}

void RecoveryFolder::copy_logs(const fs::path& to, int round) const {
  if (fs::exists(rounds())) fs::copy(rounds(), to, fs::copy_options::recursive);
  copy_run_log(run(), to / std::to_string(round));
}

Json recover_round(const PruneOptions& options, const PrunePaths& paths, const RecoveryFolder& folder) {
  TrainPaths training;
  training.data = paths.data;
  training.out = folder.run().string();
  training.init = fs::absolute(folder.pruned()).string();  // a run may go on in another working folder
  training.resume = folder.has_state();
  training.image_root = paths.image_root;
  training.device = paths.device;
  if (training.resume) {
    init_lies_at(training.init, folder.run() / "run.json");
    training.named = {{"saving", true}, {"loading", true}};  // as they are now, also where that is a default
  } else {
    remove_tree(folder.run().c_str());  // of one that was killed before it had saved its state
  }
  TrainOptions recovery = options.recovery;
  recovery.keep_zeros = recovery.keep_zeros || options.sparsifies();
  try {
    return train(recovery, training);
  } catch (const InvalidInput& error) {  // it names its options as `train` does
    throw InvalidInput(std::string("recovery: ") + error.what());
  }
}

Json recover(const PruneOptions& options, const PrunePaths& paths, const RecoveryFolder& folder, AtomicDirectory& out) {
  Json report = recover_round(options, paths, folder);
  // An adapter's checkpoint too holds its weights whole: the base that the run had goes with the folder.
  const Checkpoint best = load_checkpoint(folder.run() / "best");
  copy_run_log(folder.run(), out.work() / kRecoveryLog);
  if (fs::exists(folder.rounds())) fs::copy(folder.rounds(), out.work() / kRecoveryLog / kRoundLogs, fs::copy_options::recursive);
  save_checkpoint(out, best);
  folder.remove();
  report["out"] = (fs::path(paths.out) / kRecoveryLog).string();
  return report;
}

}  // namespace edgeclip
