#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace CLI {
class App;
}

namespace edgeclip {

class Encoder;

/// What every command understands.
struct CommonOptions {
  std::vector<std::string> config;  ///< --config FILE.json, repeatable: later files win
  std::vector<std::string> set;     ///< --set key.path=value, repeatable
  bool print_config = false;  ///< --print-config: prints the resolved options as JSON on stdout and ends
  std::string json;           ///< --json FILE|-
  int threads = 0;            ///< --threads N
  bool quiet = false;         ///< --quiet
};

/// One command: one file in cli/runtime or cli/workshop.
class Command {
 public:
  virtual ~Command() = default;
  virtual const char* name() const = 0;
  virtual const char* summary() const = 0;
  /// A working command line without the program's name, shown by --help.
  virtual const char* example() const = 0;
  /// Others, where a command does several things.
  virtual std::vector<std::string> more_examples() const { return {}; }
  /// What --config and --set take, shown by --help.
  virtual std::string options_help() const = 0;
  /// Declares its options on app, which outlives the command's use of them.
  virtual void declare(CLI::App& app) = 0;
  /// The options as --config, --set and the command line leave them, for --print-config.
  virtual Json resolved(const CommonOptions& common) const = 0;
  /// Does it; returns the report that --json writes (version, revision and command are added to it).  Results
  /// for people go to stdout through print(), which is silent under --json -.
  virtual Json run(const CommonOptions& common) = 0;
};

/// A check that was not met, with the report that says which: it is written like any other, then exit 3.
struct CheckNotMetWithReport : CheckNotMet {
  CheckNotMetWithReport(const std::string& message, Json r) : CheckNotMet(message), report(std::move(r)) {}
  Json report;
};

/// What was finished when a signal came, as a report that is written like any other, then exit 130.
struct InterruptedWithReport : Interrupted {
  InterruptedWithReport(const std::string& message, Json r) : Interrupted(message), report(std::move(r)) {}
  Json report;
};

/// "edgeclip" or "edgeclip-edge", for messages.  Set by run_program().
const char* program_name();

/// To stdout, unless --json - reserves it.
void print(const std::string& text);

/// Opens the encoder of a checkpoint folder; adapter: which of its adapters is used, or the folder of another
/// ("": its own choice).  edgeclip-edge has none.
using OpenCheckpoint =
    std::function<std::unique_ptr<Encoder>(const std::string& directory, const std::string& adapter)>;

/// What the workshop adds to the commands of the runtime; edgeclip-edge has none of it.
struct Workshop {
  OpenCheckpoint open_checkpoint;
  std::function<Json()> libraries;  ///< {"LibTorch": "1.13.1", ...}
};

using CommandList = std::vector<std::unique_ptr<Command>>;
/// Those of edgeclip-edge.  With a workshop, evaluate and encode take --checkpoint as well as --plan, and
/// inspect --system names its libraries.
CommandList runtime_commands(const Workshop& workshop = {});
CommandList workshop_commands();  ///< the rest of edgeclip (cli/workshop)

/// Parses, runs, catches, prints: the one exit point.  program: "edgeclip" | "edgeclip-edge".  at_start:
/// called once thread_count() is set (the workshop passes it on to LibTorch).
int run_program(int argc, char** argv, const char* program, CommandList commands,
                const std::function<void()>& at_start = {});

}  // namespace edgeclip
