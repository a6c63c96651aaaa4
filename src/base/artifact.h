#pragma once

#include <filesystem>

#include "base/json.h"

/// The JSON object at the head of each of our artifacts: it says "format" (its version) and "edgeclip" (the
/// version that wrote it).
namespace edgeclip {

/// True if file is such a head, of whatever artifact and version.
bool is_artifact_head(const std::filesystem::path& file);

/// Reads it.  Throws InvalidInput if its format is newer or older than `format`; remedy: what to do about an
/// older one ("prepare the dataset again").
Json read_artifact_head(const std::filesystem::path& file, int format, const char* remedy);

}  // namespace edgeclip
