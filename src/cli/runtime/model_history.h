#pragma once

#include <filesystem>

#include "base/json.h"

namespace edgeclip {

/// The history of a plan, a checkpoint or a run folder (of whose `best` it is): its list "provenance", null
/// where none is written. Throws InvalidInput if its head cannot be read.
Json model_history(const std::filesystem::path& model);

/// Whether a folder is a plan.
bool is_plan_folder(const std::filesystem::path& folder);

}  // namespace edgeclip
