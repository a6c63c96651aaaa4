#pragma once

#include <filesystem>

#include "base/atomic_directory.h"
#include "compress/prune.h"

namespace edgeclip {

inline constexpr const char* kPruneFile = "prune.json";
inline constexpr const char* kRecoveryLog = "recovery";  ///< in the finished checkpoint: what the run said of itself
inline constexpr const char* kRoundLogs = "rounds";      ///< what the runs of earlier rounds said, a folder by number each

/// OUT.recovery, beside the OUT that a pruning is to write: prune.json (what was asked for, and the report up to the cut), pruned/ (the
/// checkpoint after the cut), rounds/ (logs of earlier rounds), run/ (the run folder of the recovery).  The first ones appear together, and from then on the pruning
/// can go on; all go once OUT is whole.  Whoever changes something here holds the claim of OUT.
class RecoveryFolder {
 public:
  explicit RecoveryFolder(const std::filesystem::path& out);

  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path prune_json() const { return directory_ / kPruneFile; }
  std::filesystem::path pruned() const { return directory_ / "pruned"; }
  std::filesystem::path run() const { return directory_ / "run"; }
  std::filesystem::path rounds() const { return directory_ / kRoundLogs; }
  /// Copies rounds() to `to`, and the run's log beside them as that of `round`.
  void copy_logs(const std::filesystem::path& to, int round) const;
  /// Whether a pruning was interrupted after the cut.
  bool exists() const;
  /// Whether its recovery has saved a state.
  bool has_state() const;
  /// prune.json.  Throws InvalidInput if there is none.
  Json description() const;
  /// Whether OUT is its result already: it was cut off between the two last steps.
  bool is_finished() const;
  /// Removes it in one step, but for what is none of edgeclip's.
  void remove() const;

 private:
  const std::filesystem::path out_, directory_;
};

inline constexpr int kPruneFormat = 1;

/// Trains pruned/, from the beginning or from the run's state on; the best is run/best.  Returns train()'s report.  Throws Interrupted and
/// InvalidInput as train().
Json recover_round(const PruneOptions& options, const PrunePaths& paths, const RecoveryFolder& folder);

/// The last round's: writes the best into `out`, commits it and removes the folder.
/// Returns train()'s report, whose "out" is where the run's log lies.  Throws Interrupted and InvalidInput as train().
Json recover(const PruneOptions& options, const PrunePaths& paths, const RecoveryFolder& folder, AtomicDirectory& out);

}  // namespace edgeclip
