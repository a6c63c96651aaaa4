#include "cli/workshop/report/run_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/workshop/report/html.h"
#include "cli/workshop/report/json_section.h"
#include "cli/workshop/report/svg_chart.h"

namespace edgeclip::report {

namespace fs = std::filesystem;

namespace {

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

/// The number at a path of keys, if it is there.
std::optional<double> number_at(const Json& json, std::initializer_list<const char*> keys) {
  const Json* at = &json;
  for (const char* key : keys) {
    if (!at->is_object() || !at->contains(key)) return {};
    at = &at->at(key);
  }
  return at->is_number() ? std::optional<double>(at->get<double>()) : std::nullopt;
}

void add_point(Series& series, const Json& line, std::initializer_list<const char*> keys) {
  const auto x = number_at(line, {"step"}), y = number_at(line, keys);
  if (x && y) series.points.emplace_back(*x, *y);
}

std::string config_table(const fs::path& folder) {
  for (const fs::path& file :
       {folder / "run.json", folder / "best" / "config.json", folder / "final" / "config.json"}) {
    if (!fs::exists(file)) continue;
    const Json config = read_json(file);
    Table table{{"option", "value"}, {}};
    for (const char* part : {"options", "model", "lora"})
      if (config.is_object() && config.contains(part) && config.at(part).is_object())
        for (auto& row : key_value_rows(config.at(part), std::string(part) + "."))
          table.rows.push_back(std::move(row));
    if (!table.rows.empty())
      return "<details><summary>Configuration</summary>\n" + html_table(table) + "</details>\n";
  }
  return {};
}

}  // namespace

std::string run_section(const fs::path& folder) {
  const fs::path log = folder / "metrics.jsonl";
  const auto lines = read_lines(log);
  if (lines.empty()) invalid_input("{}: holds no step yet; name a run that has trained", log.string());

  Series train{"training", {}, false}, val{"validation", {}, true}, map{"mAP", {}, true}, r1{"R@1", {}, true};
  for (const auto& line : lines) {
    add_point(train, line, {"loss"});
    add_point(val, line, {"val", "loss"});
    add_point(map, line, {"val", "text_to_image", "mAP"});
    add_point(r1, line, {"val", "text_to_image", "R@1"});
  }
  Table summary{{"", ""}, {}};
  if (!train.points.empty()) {
    summary.rows.push_back({"last step", fmt::format("{:g}", train.points.back().first)});
    summary.rows.push_back(
        {"training loss, first and last",
         fmt::format("{:.3f}, {:.3f}", train.points.front().second, train.points.back().second)});
  }
  if (!map.points.empty()) {
    const auto best = *std::max_element(map.points.begin(), map.points.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
    summary.rows.push_back({"best validation mAP (text to image)",
                            fmt::format("{:.2f} % at step {:g}", best.second, best.first)});
  }
  std::string body = "<div class=\"charts\">\n" +
                     svg_chart({"Loss", "step", "contrastive loss", {train, val}}) +
                     svg_chart({"Validation, text to image", "step", "percent", {map, r1}}) + "</div>\n";
  if (!summary.rows.empty()) body += html_table(summary);
  std::string title = "Training: " + artifact_name(fs::absolute(folder).string());
  const Json run = fs::exists(folder / "run.json") ? read_json(folder / "run.json") : Json(nullptr);
  if (const std::string data = text_at(run, "data"); !data.empty()) title += " on " + artifact_name(data);
  if (const std::string init = text_at(run, "init"); !init.empty()) title += ", from " + artifact_name(init);
  return html_section(title, body + config_table(folder));
}

}  // namespace edgeclip::report
