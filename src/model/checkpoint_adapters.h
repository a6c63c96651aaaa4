#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"
#include "model/checkpoint.h"

/// The adapters of a checkpoint's folder: kUsualAdapter in PEFT's two files beside config.json, others in
/// adapters/NAME.
namespace edgeclip {

/// Adds those that the checkpoint's config.json names to a checkpoint whose base is read, and uses the one that
/// was in use.  Throws InvalidInput; where: the file.
void add_saved_adapters(Checkpoint& checkpoint, const Json& json, const std::string& where);

/// Uses what --adapter names (kNoAdapter).  Throws InvalidInput.
void use_adapter(Checkpoint& checkpoint, const std::string& adapter);

/// Writes the adapters into a folder, and "lora", "adapters" and "adapter" of its config.json.
void save_adapters(const Checkpoint& checkpoint, const std::filesystem::path& directory, Json& json);

/// checkpoint.base as the model holds it: in bfloat16 or not.
CheckpointBase base_as_used(const Checkpoint& checkpoint);

}  // namespace edgeclip
