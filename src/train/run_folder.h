#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"

namespace edgeclip {

/// The output folder of a training: run.json (what was asked for), metrics.jsonl, best/, final/ (checkpoints)
/// and state.safetensors (what an exact resume needs).
class RunFolder {
 public:
  enum class Use { kNew, kResume, kOverwrite };
  /// Checks before any work is done, changes nothing.  Throws InvalidInput if the folder cannot be written,
  /// holds something that is no run, holds a trained run (kNew), or holds no state (kResume).
  RunFolder(const std::filesystem::path& directory, Use use);

  /// A new run: the artifacts of an older run go (kOverwrite), whatever else lies there stays; writes
  /// run.json.
  void start(const Json& description) const;
  /// run.json of the run to be resumed.
  Json description() const;

  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path best() const { return directory_ / "best"; }
  std::filesystem::path final() const { return directory_ / "final"; }
  std::filesystem::path metrics() const { return directory_ / "metrics.jsonl"; }
  std::filesystem::path state() const { return directory_ / "state.safetensors"; }
  std::filesystem::path run_json() const { return directory_ / "run.json"; }

 private:
  const std::filesystem::path directory_;
};

/// Throws InvalidInput naming the first option that differs: an exact resume needs those the run was started
/// with.
void require_same_options(const Json& before, const Json& now, const std::string& where);

}  // namespace edgeclip
