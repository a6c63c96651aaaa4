#pragma once

#include <filesystem>
#include <string>

namespace edgeclip::report {

/// A run folder (metrics.jsonl, best/ or final/): curves of the losses and of the validation metrics, and a
/// table of the best validation and of the configuration.  Throws InvalidInput (file, line) if the log is no
/// JSON lines.
std::string run_section(const std::filesystem::path& folder);

}  // namespace edgeclip::report
