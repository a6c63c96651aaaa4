#pragma once

#include <filesystem>

#include "model/lora/adapter.h"

/// LoRA adapters in PEFT's two files: adapter_config.json and adapter_model.safetensors, whose tensors are
/// named base_model.model.<layer>.lora_A.weight, .lora_B.weight and .lora_magnitude_vector, and
/// base_model.model.<parameter> for what an adapter has whole copies of (github.com/huggingface/peft).  A copy
/// that adapter_config.json cannot name (logit_scale, say) lies there too: PEFT reads it into the base, as it
/// does biases.
namespace edgeclip {

/// The options of the folder's adapter.  Throws as read_adapter().
LoraOptions read_adapter_options(const std::filesystem::path& directory);

/// The adapter of the folder, for model.  Throws InvalidInput naming file and key for what PEFT offers and we
/// do not have (PiSSA, ...), and file and tensor for weights that do not fit or are not finite.
Adapter read_adapter(const torch::nn::Module& model, const std::filesystem::path& directory);

/// Writes both files into an existing folder.
void write_adapter(const Adapter& adapter, const std::filesystem::path& directory);

}  // namespace edgeclip
