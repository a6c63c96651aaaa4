#pragma once

#include <filesystem>

/// How a run folder's artifacts give way to those of the run that was made in its folder kNextRun.
namespace edgeclip {

inline constexpr const char* kNextRun = ".next";
inline constexpr const char* kCheckpoints = "checkpoints";  ///< of the last steps that were saved
inline constexpr const char* kEvents = "tensorboard";      ///< what metrics.jsonl says, as TensorBoard reads it
inline constexpr const char* kExampleFile = "examples.json";

/// Whether there is something of a run that a new one would lose.
bool holds_trained_run(const std::filesystem::path& run);

/// Puts the artifacts of run/.next in the place of the run's own, which go; everything else in the folder
/// stays.  Each is exchanged in one step where the file system can; whatever kills the process leaves the old
/// run or one that finish_replacement() makes the new one.
void replace_run(const std::filesystem::path& run);

/// Whether a replacement was cut off.
bool needs_finishing(const std::filesystem::path& run);

/// run/run.json, or that of a replacement which was cut off before it got there.  Changes nothing.
std::filesystem::path run_json_in_force(const std::filesystem::path& run);

/// Completes a replacement that was cut off; does nothing otherwise.
void finish_replacement(const std::filesystem::path& run);

}  // namespace edgeclip
