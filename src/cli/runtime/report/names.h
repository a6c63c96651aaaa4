#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"

namespace edgeclip::report {

/// A JSON report with the file it came from.
using NamedReport = std::pair<std::filesystem::path, Json>;

/// The value at a dotted path, or null.
Json value_at(const Json& json, const std::string& path);

/// The text at a key, "" where there is none.
std::string text_at(const Json& json, const std::string& key);

/// The last name of an artifact's path ("out/plan-int8/" is "plan-int8"); that of its run for a run's
/// checkpoint
/// ("out/adapt/best" is "adapt").
std::string artifact_name(const std::string& path);

/// What a report is about: its model (evaluate: "encoder", bench: "plan"), else the name of its file.
std::string model_name(const NamedReport& report);

/// What it was measured on: "camera", "camera, unseen people", "camera val"; "" if it does not say.
std::string data_name(const Json& report);

/// A number as people read it (at most 4 significant decimals), "—" for null, text as it is.
std::string cell_text(const Json& value);

}  // namespace edgeclip::report
