#include "train/memory_inputs.h"

#include <algorithm>

#include "base/process_metrics.h"

namespace edgeclip {

namespace {

/// Tokens of the longest caption, without padding.
int longest_caption(const Dataset& dataset) {
  std::int64_t longest = 1;
  const std::int64_t rows = dataset.tokens.dim(0), width = dataset.tokens.dim(1);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int32_t* const tokens = dataset.tokens.data<std::int32_t>() + row * width;
    const std::int32_t* const end = std::find(tokens, tokens + width, dataset.tokenizer->end_id());
    longest = std::max<std::int64_t>(longest, std::min<std::int64_t>(end - tokens + 1, width));
  }
  return static_cast<int>(longest);
}

}  // namespace

MemoryInputs memory_inputs(const TrainOptions& options, const Checkpoint& checkpoint,
                           const torch::nn::Module& objective, const Dataset& dataset) {
  MemoryInputs inputs;
  const auto count = [&](const torch::nn::Module& module) {
    for (const torch::Tensor& parameter : module.parameters()) {
      inputs.weight_bytes += parameter.numel() * static_cast<std::int64_t>(parameter.element_size());
      if (parameter.requires_grad()) inputs.trained_values += parameter.numel();
    }
    for (const torch::Tensor& buffer : module.buffers())
      inputs.weight_bytes += buffer.numel() * static_cast<std::int64_t>(buffer.element_size());
  };
  count(*checkpoint.model);
  count(objective);
  inputs.tokens = longest_caption(dataset);
  inputs.bf16 = options.precision == "bf16";
  inputs.resident_bytes = std::max<std::int64_t>(0, resident_memory().total() - inputs.weight_bytes);
  return inputs;
}

}  // namespace edgeclip
