#include "cli/workshop/workshop_commands.h"

namespace edgeclip {

CommandList workshop_commands() {
  CommandList commands;
  commands.push_back(prepare_command());
  commands.push_back(synthesize_command());
  commands.push_back(import_command());
  commands.push_back(train_command());
  commands.push_back(adapters_command());
  commands.push_back(merge_command());
  commands.push_back(profile_command());
  commands.push_back(prune_command());
  commands.push_back(export_command());
  commands.push_back(report_command());
  commands.push_back(compress_report_command());
  return commands;
}

}  // namespace edgeclip
