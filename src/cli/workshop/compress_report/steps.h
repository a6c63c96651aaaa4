#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace edgeclip::compress_report {

/// A command that has been run: now, or by an earlier call.
struct Step {
  std::string key;                ///< command and a digest of what decides about its result
  std::filesystem::path folder;   ///< everything of it
  Json report;                    ///< what its --json wrote
  std::filesystem::path out() const { return folder / "out"; }  ///< what it made, if it makes something
};

/// An argument of a command: as it is written, and what it stands for.
struct Argument {
  std::string text;
  std::string identity;  ///< of a file its contents, of what another step made that step's key

  static Argument plain(const std::string& text) { return {text, text}; }
  static Argument made_by(const Step& step) { return {step.out().string(), step.key}; }
  /// A file or a folder, by what is in it.
  static Argument contents(const std::filesystem::path& path);
  static Argument of(const std::filesystem::path& path, const std::string& identity) { return {path.string(), identity}; }
};

struct Call {
  enum class Makes { kNothing, kArtifact, kRun, kPruned };  ///< what --out is, and how it goes on when it was cut off

  std::string command;
  Makes makes = Makes::kNothing;
  std::vector<Argument> arguments{};
  bool on_device = false;       ///< by edgeclip-edge, as where it is deployed: what it takes of memory is its own
  std::string variant{};        ///< tells runs of one command apart
  bool may_fall_short = false;  ///< exit 3 counts as done: the report says what was not met
};

/// What a command's result is kept under: its name and a digest of the version, the threads, and what its arguments stand for.
std::string key_of(const Call& call);

/// Runs commands of this program, each in a process of its own and once: a folder per command, named by what decides about its
/// result, whose report and output say that it is done.  Killed at any moment, it is begun again or goes on.  Not thread-safe; a second
/// process in the same folder is refused by whoever owns it.
class Steps {
 public:
  /// folder: absolute, for what is made there remembers where it is.
  explicit Steps(const std::filesystem::path& folder) : folder_(folder) {}
  virtual ~Steps() = default;

  /// what: for messages, "student, seed 1".  Throws what the command ended with: InvalidInput, CheckNotMet, MachineFault,
  /// Interrupted, with its last line.
  virtual const Step& run(const Call& call, const std::string& what);
  /// Runs a command whose result is not kept, for what it throws.
  virtual void check(const Call& call, const std::string& what);

 private:
  std::filesystem::path folder_;
  std::map<std::string, Step> steps_;
};

}  // namespace edgeclip::compress_report
