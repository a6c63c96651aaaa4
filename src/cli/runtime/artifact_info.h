#pragma once

#include <filesystem>

#include "base/json.h"

namespace edgeclip {

/// What a file or folder of ours is: {"path","kind",...}, opened with all its checks.  kind: "npy",
/// "safetensors", "onnx", "plan file", "image", "json", "metrics log", "csv", "sentencepiece model",
/// "dataset", "checkpoint", "bundle", "plan", "gallery", "tokenizer", "run".  Throws InvalidInput if it is
/// damaged or nothing we know.
Json artifact_info(const std::filesystem::path& path);

}  // namespace edgeclip
