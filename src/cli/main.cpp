#include <iterator>

#include "base/out_of_memory.h"
#include "cli/workshop/workshop_commands.h"
#include "retrieval/encoder.h"

EDGECLIP_GUARD_START();

/// The workstation's program: every command.  Started by launcher_main.cpp.
int main(int argc, char** argv) {
  edgeclip::CommandList commands = edgeclip::workshop_commands();
  edgeclip::CommandList runtime =
      edgeclip::runtime_commands({edgeclip::open_checkpoint_encoder, edgeclip::workshop_libraries});
  std::move(runtime.begin(), runtime.end(), std::back_inserter(commands));
  return edgeclip::run_program(argc, argv, "edgeclip", std::move(commands), edgeclip::start_workshop);
}
