#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "train/train.h"

namespace edgeclip {

/// What a step's memory depends on beside the options.
struct MemoryInputs {
  std::int64_t weight_bytes = 0;    ///< parameters and buffers as the model holds them
  std::int64_t trained_values = 0;  ///< parameters that train, the losses' own among them
  int tokens = 0;                   ///< of the longest caption, at most the context length
  bool bf16 = false;                ///< what products are made in
  std::int64_t resident_bytes = 0;  ///< of the process before the model, libraries among them
  int world = 1;                    ///< processes that divide a batch
};

/// Bytes that a training takes at its peak, by what they are for.
///
/// Activations are those that the backward pass keeps: of a transformer block with width W, M neurons
/// and T positions, per row, T (8 W + 2 M) values (two LayerNorms' inputs and outputs, queries,
/// keys, values, context, the MLP before and after its activation); of a bottleneck block
/// two times its three convolutions' outputs.  With gradient checkpointing T W per block and one whole block.
/// An estimate for planning, not a bound: the allocator's slack and the libraries' own buffers are not
/// counted.
struct MemoryEstimate {
  std::int64_t resident = 0, weights = 0, gradients = 0, moments = 0, average = 0;
  std::int64_t image_activations = 0, text_activations = 0;
  std::int64_t loader = 0;  ///< decoded batches and pixels kept in memory

  std::int64_t total() const;
};

/// options.model: the architecture in force.
MemoryEstimate estimate_memory(const TrainOptions& options, const MemoryInputs& inputs);

/// "memory: about 3.20 GiB (process 170 MiB, weights 577 MiB, ...)".
std::string describe(const MemoryEstimate& estimate, int pairs);

/// A warning with remedies if that is more than the machine's memory; "" if not.  usable: bytes.
std::string memory_warning(const MemoryEstimate& estimate, const TrainOptions& options, std::int64_t usable);

/// {"estimated_mb", "weights_mb", ...}, MiB.
Json to_json(const MemoryEstimate& estimate);

}  // namespace edgeclip
