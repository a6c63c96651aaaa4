#include "cli/workshop/report/run_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/median.h"
#include "cli/runtime/report/names.h"
#include "cli/workshop/report/json_section.h"

namespace edgeclip::report {

namespace fs = std::filesystem;

namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

std::vector<Json> read_lines(const fs::path& path) {
  std::istringstream stream(read_file(path));
  std::vector<Json> lines;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.empty()) continue;
    Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    // A last line cut short by a crash is no fault of the run; anything else is.
    if (json.is_discarded() && stream.peek() == std::char_traits<char>::eof()) break;
    if (!json.is_object())
      invalid_input("{}:{}: is no JSON object; name a run folder that train wrote", path.string(), number);
    lines.push_back(std::move(json));
  }
  return lines;
}

Json read_if_there(const fs::path& file) { return fs::exists(file) ? read_json(file) : Json(nullptr); }

/// The options of run.json, else what a checkpoint of it says.
Json find_configuration(const RunData& run) {
  Json found = Json::object();
  for (const Json& config : {run.description, read_if_there(run.folder / "best" / "config.json"),
                             read_if_there(run.folder / "final" / "config.json")}) {
    for (const char* part : {"options", "model", "lora"})
      if (config.is_object() && config.contains(part) && config.at(part).is_object())
        found[part] = config.at(part);
    if (!found.empty()) return found;
  }
  return nullptr;
}

}  // namespace

RunData read_run(const fs::path& folder) {
  RunData run;
  run.folder = folder;
  run.name = artifact_name(fs::absolute(folder).string());
  run.lines = read_lines(folder / "metrics.jsonl");
  if (run.lines.empty())
    invalid_input("{}: holds no step yet; name a run that has trained", (folder / "metrics.jsonl").string());
  run.description = read_if_there(folder / "run.json");
  run.configuration = find_configuration(run);
  run.examples = read_if_there(folder / "examples.json");
  return run;
}

Series series_of(const RunData& run, const std::string& path, const std::string& name, bool markers) {
  Series series{name, {}, markers};
  for (const Json& line : run.lines) {
    const Json x = value_at(line, "step"), y = value_at(line, path);
    if (x.is_number() && y.is_number()) series.points.emplace_back(x.get<double>(), y.get<double>());
  }
  return series;
}

std::vector<std::string> names_in(const RunData& run, const std::string& key) {
  std::vector<std::string> names;
  for (const Json& line : run.lines) {
    if (!line.contains(key) || !line.at(key).is_object()) continue;
    for (const auto& item : line.at(key).items())
      if (std::find(names.begin(), names.end(), item.key()) == names.end()) names.push_back(item.key());
  }
  return names;
}

Rows configuration_of(const RunData& run) {
  Rows rows;
  if (!run.configuration.is_object()) return rows;
  for (const auto& [part, options] : run.configuration.items())
    for (const auto& row : key_value_rows(options, part == "options" ? "" : part + "."))
      rows.emplace_back(row[0], row[1]);
  return rows;
}

Rows environment_of(const RunData& run) {
  Rows rows;
  const Json& d = run.description;
  if (!d.is_object()) return rows;
  const auto add = [&](const char* label, const Json& value) {
    if (!value.is_null()) rows.emplace_back(label, cell_text(value));
  };
  add("edgeclip", value_at(d, "version"));
  add("revision", value_at(d, "revision"));
  add("data", value_at(d, "data"));
  add("dataset", value_at(d, "dataset.name"));
  add("hash of the dataset", value_at(d, "dataset.hash"));
  add("init", value_at(d, "init"));
  if (const Json arithmetic = value_at(d, "arithmetic"); arithmetic.is_object())
    for (const auto& row : key_value_rows(arithmetic)) rows.emplace_back(row[0], row[1]);
  return rows;
}

Rows results_of(const RunData& run) {
  Rows rows;
  const Series loss = series_of(run, "loss", ""), map = series_of(run, "val.text_to_image.mAP", ""),
               r1 = series_of(run, "val.text_to_image.R@1", ""), rate = series_of(run, "images_per_s", "");
  if (!loss.points.empty()) {
    rows.emplace_back("last step", fmt::format("{:g}", loss.points.back().first));
    rows.emplace_back("training loss, first and last",
                      fmt::format("{:.3f}, {:.3f}", loss.points.front().second, loss.points.back().second));
  }
  const auto best = [&](const char* label, const Series& series) {
    if (series.points.empty()) return;
    const auto at = *std::max_element(series.points.begin(), series.points.end(),
                                      [](const auto& a, const auto& b) { return a.second < b.second; });
    rows.emplace_back(label, fmt::format("{:.2f} % at step {:g}", at.second, at.first));
  };
  best("best validation mAP (text to image)", map);
  best("best validation R@1 (text to image)", r1);
  if (!rate.points.empty()) {
    std::vector<double> rates;
    for (const auto& p : rate.points) rates.push_back(p.second);
    rows.emplace_back("images per second, median", fmt::format("{:.4g}", median(rates)));
  }
  return rows;
}

}  // namespace edgeclip::report
