#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "cli/workshop/report/svg_chart.h"

namespace edgeclip::report {

/// What a run folder says of a training.
struct RunData {
  std::filesystem::path folder;
  std::string name;              ///< of the folder
  std::vector<Json> lines;       ///< metrics.jsonl, at least one
  Json description = nullptr;    ///< run.json; null: there is none
  Json configuration = nullptr;  ///< options in force, or the checkpoint's config.json; null: there is none
  Json examples = nullptr;       ///< examples.json of the last validation; null: there is none
};

/// Throws InvalidInput (file, line) if the log is no JSON lines or holds none.
RunData read_run(const std::filesystem::path& folder);

/// The values at a dotted path of the log's lines, against the step.  markers: of sparse values.
Series series_of(const RunData& run, const std::string& path, const std::string& name, bool markers = false);

/// The names under an object of the log ("losses"), in order of first appearance.
std::vector<std::string> names_in(const RunData& run, const std::string& key);

/// (dotted key, value) of the configuration.
std::vector<std::pair<std::string, std::string>> configuration_of(const RunData& run);

/// (key, value) of where and with what it ran: version, dataset, threads, CPU, libraries.
std::vector<std::pair<std::string, std::string>> environment_of(const RunData& run);

/// (what, value) of how it went: last step, losses, the best validation.
std::vector<std::pair<std::string, std::string>> results_of(const RunData& run);

}  // namespace edgeclip::report
