#include "base/out_of_memory.h"
#include "cli/runtime/command.h"

EDGECLIP_GUARD_START();

/// The program of the edge device: no LibTorch.
int main(int argc, char** argv) {
  edgeclip::end_start_guard();
  return edgeclip::run_program(argc, argv, "edgeclip-edge", edgeclip::runtime_commands());
}
