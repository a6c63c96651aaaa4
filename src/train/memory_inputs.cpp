#include "train/memory_inputs.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/process_metrics.h"
#include "model/lora/linear_layers.h"
#include "model/transformer.h"

namespace edgeclip {

namespace {

/// Mean and standard deviation of captions' tokens, without padding.
std::pair<double, double> caption_lengths(const Dataset& dataset) {
  const std::int64_t rows = dataset.tokens.dim(0), width = dataset.tokens.dim(1);
  double sum = 0, squares = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int32_t* const tokens = dataset.tokens.data<std::int32_t>() + row * width;
    const std::int32_t* const end = std::find(tokens, tokens + width, dataset.tokenizer->end_id());
    const auto length = static_cast<double>(std::min<std::int64_t>(end - tokens + 1, width));
    sum += length;
    squares += length * length;
  }
  const double n = static_cast<double>(std::max<std::int64_t>(1, rows)), mean = sum / n;
  return {mean, std::sqrt(std::max(0.0, squares / n - mean * mean))};
}

bool trains(const torch::nn::Module& module) {
  for (const torch::Tensor& parameter : module.parameters())
    if (parameter.requires_grad()) return true;
  return false;
}

/// Whether the gradient of something in the layer needs what the layer read.
bool keeps_input(const Linear& layer) { return layer->weight.requires_grad() || layer->lora() != nullptr; }

KeptParts kept_parts(const torch::nn::Module& tower) {
  KeptParts parts{0, 0, 0, 0, 0};
  bool graph = false;
  for (const auto& child : tower.named_children())
    if (child.key() == "embeddings" || child.key() == "pre_layrnorm") graph = graph || trains(*child.value());
  double blocks = 0;
  for (const auto& module : tower.modules(/*include_self=*/false)) {
    const auto* const block = module->as<EncoderLayerImpl>();
    if (block == nullptr) continue;
    ++blocks;
    graph = graph || trains(*block);
    const AttentionImpl& attention = *block->self_attn;
    parts.graph += graph;
    parts.attention_in += keeps_input(attention.q_proj) || keeps_input(attention.k_proj) || keeps_input(attention.v_proj);
    parts.context += keeps_input(attention.out_proj);
    parts.mlp_in += keeps_input(block->mlp->fc1);
    parts.hidden += keeps_input(block->mlp->fc2);
  }
  if (blocks == 0) return {};
  for (double* part : {&parts.graph, &parts.attention_in, &parts.context, &parts.mlp_in, &parts.hidden}) *part /= blocks;
  return parts;
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
  std::tie(inputs.tokens, inputs.tokens_deviation) = caption_lengths(dataset);
  for (const auto& [name, layer] : linear_layers(*checkpoint.model)) {
    if (layer->weight.scalar_type() == torch::kFloat) inputs.wide_values += layer->weight.numel();
    inputs.rounded_values += layer->weight.numel();
  }
  for (const auto& module : checkpoint.model->modules())
    if (const auto* table = module->as<torch::nn::EmbeddingImpl>(); table != nullptr && table->weight.requires_grad())
      inputs.table_values = std::max(inputs.table_values, table->weight.numel());
  inputs.image = kept_parts(*checkpoint.model->vision_model);
  inputs.text = kept_parts(*checkpoint.model->text_model);
  inputs.bf16 = options.precision == "bf16";
  inputs.resident_bytes = std::max<std::int64_t>(0, resident_memory().total() - inputs.weight_bytes);
  return inputs;
}

}  // namespace edgeclip
