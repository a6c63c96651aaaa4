#include <ATen/Parallel.h>
#include <torch/version.h>

#include "base/out_of_memory.h"
#include "cli/runtime/blas.h"
#include "cli/workshop/workshop_commands.h"
#include "train/checkpoint_encoder.h"
#include "train/torch_runtime.h"

namespace edgeclip {

std::unique_ptr<Encoder> open_checkpoint_encoder(const std::string& directory, const std::string& adapter) {
  return std::make_unique<CheckpointEncoder>(load_checkpoint(directory, adapter));
}

Json workshop_libraries() {
  const std::string core = blas_core();
  return {{"LibTorch", TORCH_VERSION}, {"OpenBLAS kernels", core.empty() ? Json(nullptr) : Json(core)}};
}

void start_workshop() {
  prepare_torch();
  at::set_num_interop_threads(1);
  end_start_guard();
  warn_if_slow_blas();
}

}  // namespace edgeclip
