#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "train/train.h"

namespace edgeclip {

/// In how many of a transformer's blocks, as a part of them all, the backward pass
struct KeptParts {
  double graph = 1;         ///< passes at all: something trains in them or below
  double attention_in = 1;  ///< needs what queries, keys and values are made of: one of the three trains, or has an adapter
  double context = 1;       ///< needs what the output projection reads: likewise
  double mlp_in = 1, hidden = 1;  ///< needs what the MLP's first and its second layer read
};

/// What a step's memory depends on beside the options.
struct MemoryInputs {
  std::int64_t weight_bytes = 0;    ///< parameters and buffers as the model holds them
  std::int64_t trained_values = 0;  ///< parameters that train, the losses' own among them
  double tokens = 0;                ///< of a caption, mean
  bool bf16 = false;                ///< what products are made in
  std::int64_t resident_bytes = 0;  ///< of the process before the model, libraries among them
  int world = 1;                    ///< processes that divide a batch
  double tokens_deviation = 0;      ///< of captions' lengths from their mean
  std::int64_t wide_values = 0;     ///< of linear layers' weights that are stored as float32
  std::int64_t rounded_values = 0;  ///< of linear layers that compute with int8's weights, which are made anew in every pass
  std::int64_t table_values = 0;    ///< of the largest table of embeddings that trains
  std::int64_t teacher_bytes = 0;  ///< kept of what a teacher says
  KeptParts image{}, text{};
};

/// Bytes that a training takes at its peak, by what they are for.
///
/// Activations are those that the backward pass keeps: of a transformer block with width W, M neurons
/// and T positions, per row, T (8 W + 2 M) values (two LayerNorms' inputs and outputs, queries,
/// keys, values, context, the MLP before and after its activation), without the inputs of layers that are frozen
/// (KeptParts); of the last block of a tower that pools one row, T (4 W) (a LayerNorm's input and output, keys,
/// values); of a bottleneck block two times its three convolutions' outputs.  With gradient checkpointing T W per block
/// and one whole block.
/// An estimate for planning, not a bound: the libraries' own buffers are not counted.
struct MemoryEstimate {
  std::int64_t resident = 0, weights = 0, gradients = 0, moments = 0, average = 0;
  std::int64_t image_activations = 0, text_activations = 0;
  /// Weights rounded for products in bf16 or as int8, which the backward pass multiplies by too, and the gradient of a table of
  /// embeddings before it is added to that of other parts of the batch.
  std::int64_t copies = 0;
  std::int64_t teacher = 0;  ///< what is kept of what it says
  std::int64_t loader = 0;  ///< decoded batches and pixels kept in memory
  /// Tensors' memory that is kept for the next step beyond the most that is in use at once (cpu_allocator.h).  Activations
  /// and gradients take turns, and a step is faster if neither has to wait for fresh pages.
  std::int64_t idle = 0;
  /// Less than the sum of the others: where a batch is taken at once, half of the activations are gone before half
  /// of the gradients are there.
  std::int64_t in_turn = 0;

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
