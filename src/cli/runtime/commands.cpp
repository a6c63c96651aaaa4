#include "cli/runtime/commands.h"

namespace edgeclip {

CommandList runtime_commands(const Workshop& workshop) {
  CommandList commands;
  commands.push_back(verify_command());
  commands.push_back(quantize_command());
  commands.push_back(build_command());
  commands.push_back(index_command());
  commands.push_back(gallery_command());
  commands.push_back(search_command());
  commands.push_back(evaluate_command(workshop.open_checkpoint));
  commands.push_back(bench_command());
  commands.push_back(encode_command(workshop.open_checkpoint));
  commands.push_back(run_command());
  commands.push_back(conform_command());
  commands.push_back(tokenize_command());
  commands.push_back(preprocess_command());
  commands.push_back(inspect_command(workshop.libraries));
  return commands;
}

}  // namespace edgeclip
