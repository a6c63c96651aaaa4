#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/output_claim.h"

namespace edgeclip {

/// The output folder of a training: run.json (what was asked for), metrics.jsonl, tensorboard/ (its figures as events),
/// examples.json (what the last validation found), best/, final/ (checkpoints), checkpoints/step_N/ (of the last saves,
/// if asked for) and state.safetensors (what an exact resume needs).  One process at a time trains into it.
///
/// A run that replaces another is made in the hidden folder .next of the run folder, until it has saved
/// something: then keep() puts its artifacts in the place of the old ones, one step each, after writing down
/// which they are, so that a replacement that is cut off is completed when the folder is next opened.
class RunFolder {
 public:
  enum class Use { kNew, kResume, kOverwrite };
  /// Checks before any work is done; changes nothing but what a replacement left undone.  Throws InvalidInput
  /// if the folder cannot be written, holds something that is no run, holds a trained run (kNew), holds no
  /// state (kResume), or is trained into by another process.
  RunFolder(const std::filesystem::path& directory, Use use);
  /// A run that was to replace another and has saved nothing goes.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// A new run: writes run.json.  A trained run stays until keep(), whatever else lies there stays for good.
  void start(const Json& description);
  /// To be called after each save.
  void keep();
  /// Whether another run would be lost by keep().
  bool replaces_another() const { return staged_; }
  /// run.json of the run to be resumed, of whatever version of edgeclip.
  Json description() const;

  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path best() const { return place() / "best"; }
  std::filesystem::path checkpoint(std::int64_t step) const;
  /// Where a path in a run that replaces another will be.
  std::filesystem::path stands_at(const std::filesystem::path& path) const;
  /// Of checkpoint(), those of the last `count` steps stay.
  void keep_checkpoints(int count) const;
  std::filesystem::path final() const { return place() / "final"; }
  std::filesystem::path metrics() const { return place() / "metrics.jsonl"; }
  std::filesystem::path events() const;
  std::filesystem::path examples() const;
  std::filesystem::path state() const { return place() / "state.safetensors"; }
  std::filesystem::path run_json() const { return place() / "run.json"; }

 private:
  std::filesystem::path place() const;

  const std::filesystem::path directory_, next_;
  const Use use_;
  bool staged_ = false;
  std::optional<OutputClaim> claim_;  ///< from construction on: no other process writes into the folder
};

/// The run to go on with: folder itself, or that of the runs in it which was saved last; empty if neither holds a state.
/// Changes nothing, locks nothing.
std::filesystem::path latest_run(const std::filesystem::path& folder);

/// run.json of a run, of whatever version of edgeclip.  Changes nothing, locks nothing.
Json read_run_description(const std::filesystem::path& run);

/// What a run says of itself (run.json, metrics.jsonl, tensorboard/, examples.json), copied from a run folder into the new
/// folder `to`, where `report` finds it.
void copy_run_log(const std::filesystem::path& run, const std::filesystem::path& to);

/// The path that a run (or a pruning) was started with, which the user need not repeat: record[key], "" where that is null.  Throws
/// InvalidInput if --key asks for another place.  where: record's file.
std::string remembered_path(const Json& record, const char* key, const std::string& asked, const std::string& where);
/// Its dataset: the one that is asked for, which may have moved, or else record["data"], which must be there.
std::string remembered_data(const Json& record, const std::string& asked, const std::string& where);

/// Puts those options of `now` that change no step of a run into the ones it was started with, so that
/// require_same_options() lets them differ.
void accept_free_options(Json& before, const Json& now);

/// Throws InvalidInput naming the first option that differs: an exact resume needs those the run was started
/// with.
void require_same_options(const Json& before, const Json& now, const std::string& where);

}  // namespace edgeclip
