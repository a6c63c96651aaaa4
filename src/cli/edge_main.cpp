#include "base/openmp_waiting.h"
#include "cli/runtime/command.h"

/// The program of the edge device: no LibTorch.
int main(int argc, char** argv) {
  edgeclip::restart_with_chosen_waiting(argv);
  return edgeclip::run_program(argc, argv, "edgeclip-edge", edgeclip::runtime_commands());
}
