#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace CLI {
class App;
}

namespace edgeclip {

/// What every command understands.
struct CommonOptions {
  std::string config;               ///< --config FILE.json
  std::vector<std::string> set;     ///< --set key.path=value, repeatable
  bool print_config = false;        ///< --print-config: prints the resolved options as JSON on stdout and ends
  std::string json;                 ///< --json FILE|-
  int threads = 0;                  ///< --threads N
  bool quiet = false;               ///< --quiet
};

/// One command: one file in cli/runtime or cli/workshop.
class Command {
 public:
  virtual ~Command() = default;
  virtual const char* name() const = 0;
  virtual const char* summary() const = 0;
  /// A working command line, shown by --help.
  virtual const char* example() const = 0;
  /// Declares its options on app.
  virtual void declare(CLI::App& app) = 0;
  /// Does it; returns the report that --json writes (version, revision and command are added to it).  Results for people
  /// go to stdout through print(), which is silent under --json -.
  virtual Json run(const CommonOptions& common) = 0;
};

/// To stdout, unless --json - reserves it.
void print(const std::string& text);

using CommandList = std::vector<std::unique_ptr<Command>>;
CommandList runtime_commands();     ///< those of edgeclip-edge
CommandList workshop_commands();    ///< the rest of edgeclip (cli/workshop)

/// Parses, runs, catches, prints: the one exit point.  program: "edgeclip" | "edgeclip-edge".  at_start: called with the
/// resolved thread count (the workshop passes it on to LibTorch).
int run_program(int argc, char** argv, const char* program, CommandList commands, const std::function<void(int)>& at_start = {});

}  // namespace edgeclip
