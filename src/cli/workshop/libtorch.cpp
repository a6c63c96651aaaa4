#include <ATen/Parallel.h>

#include "cli/runtime/blas.h"
#include "cli/workshop/workshop_commands.h"
#include "train/checkpoint_encoder.h"

namespace edgeclip {

std::unique_ptr<Encoder> open_checkpoint_encoder(const std::string& directory) {
  return std::make_unique<CheckpointEncoder>(load_checkpoint(directory));
}

void start_workshop(int threads) {
  at::set_num_threads(threads);
  at::set_num_interop_threads(1);
  warn_if_slow_blas();
}

}  // namespace edgeclip
