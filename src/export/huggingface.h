#pragma once

#include "export/export.h"

namespace edgeclip {

/// Checkpoint to a folder that transformers' CLIPModel and CLIPProcessor load: config.json,
/// model.safetensors, preprocessor_config.json and CLIP's tokenizer files.  An adapter is merged in memory
/// first.  Returns the report. Throws InvalidInput for what a CLIPModel cannot be: another height than width,
/// layers of different sizes, or an image transform that its processor does not have.
Json export_huggingface(const ExportOptions& options);

}  // namespace edgeclip
