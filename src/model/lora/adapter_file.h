#pragma once

#include <filesystem>

#include "model/lora/adapter.h"

/// LoRA adapters in PEFT's two files: adapter_config.json and adapter_model.safetensors, whose tensors are
/// named base_model.model.<layer>.lora_A.weight and .lora_B.weight, and base_model.model.<parameter> for what
/// an adapter has whole copies of (github.com/huggingface/peft).
namespace edgeclip {

/// The adapter of the folder, for model.  Throws InvalidInput naming file and key for what PEFT offers and we
/// do not have (DoRA, ...), and file and tensor for weights that do not fit.
Adapter read_adapter(const torch::nn::Module& model, const std::filesystem::path& directory);

/// Writes both files into an existing folder.
void write_adapter(const Adapter& adapter, const std::filesystem::path& directory);

}  // namespace edgeclip
