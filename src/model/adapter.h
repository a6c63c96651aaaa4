#pragma once

#include <filesystem>

#include "model/dual_encoder.h"

/// LoRA adapters in PEFT's two files: adapter_config.json and adapter_model.safetensors, whose tensors are
/// named base_model.model.<layer>.lora_A.weight and .lora_B.weight (github.com/huggingface/peft).
namespace edgeclip {

/// Attaches the adapter of the folder to the model, which must have none.  Throws InvalidInput naming file
/// and key for what PEFT offers and we do not have (DoRA, rank patterns, ...), and file and tensor for
/// weights that do not fit.
LoraOptions load_adapter(DualEncoder& model, const std::filesystem::path& directory);

/// Writes both files into an existing folder.
void save_adapter(const DualEncoder& model, const LoraOptions& options,
                  const std::filesystem::path& directory);

}  // namespace edgeclip
