#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"

namespace edgeclip {

/// The file that holds a checkpoint's weights without its adapters.
inline constexpr const char* kWeightsFile = "model.safetensors";

/// Where the base of a checkpoint's adapters lies.
struct CheckpointBase {
  std::filesystem::path directory;  ///< a checkpoint's, with weights of its own
  std::string hash;                 ///< XXH3 of its weights' file
  bool bf16 = false;                ///< its matrices are rounded to bfloat16 before adapters are added
};

/// "base" of a checkpoint in `directory`: {"path" (relative to it), "absolute", "hash", "bf16"}.
Json base_json(const CheckpointBase& base, const std::filesystem::path& directory);

/// The opposite: looks for the base at both places, takes the one whose weights have the hash and checks them.
/// where: the checkpoint's config.json.  Throws InvalidInput naming it and the base that is not there, or holds
/// other weights.
CheckpointBase find_base(const Json& json, const std::filesystem::path& directory, const std::string& where);

}  // namespace edgeclip
