#include "cli/workshop/report/json_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "cli/workshop/report/html.h"

namespace edgeclip::report {

namespace {

std::string stem_of(const NamedReport& report) { return report.first.stem().string(); }

/// The value at a dotted path, or null.
Json value_at(const Json& json, const std::string& path) {
  const Json* at = &json;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string key = path.substr(begin, end - begin);
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &at->at(key);
    begin = end + 1;
  }
  return *at;
}

std::string percent_cell(const Json& value) {
  return value.is_number() ? fmt::format("{:.2f}", value.get<double>()) : cell_text(value);
}

Table list_of_objects(const Json& rows, const std::string& where) {
  Table table;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].is_object())
      invalid_input("{}: row {}: expected an object, found {}", where, i, json_kind(rows[i]));
    for (const auto& item : rows[i].items())
      if (std::find(table.columns.begin(), table.columns.end(), item.key()) == table.columns.end())
        table.columns.push_back(item.key());
  }
  for (const auto& row : rows) {
    std::vector<std::string> cells;
    for (const auto& column : table.columns)
      cells.push_back(row.contains(column) ? cell_text(row.at(column)) : "");
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace

std::string cell_text(const Json& value) {
  if (value.is_null()) return "—";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) {
    const double v = value.get<double>();
    return std::abs(v) >= 1000 ? fmt::format("{:.0f}", v) : fmt::format("{:.4g}", v);
  }
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::vector<std::string>> key_value_rows(const Json& json, const std::string& prefix) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : json.items()) {
    if (value.is_object() && !value.empty()) {
      for (auto& row : key_value_rows(value, prefix + key + ".")) rows.push_back(std::move(row));
    } else {
      rows.push_back({prefix + key, cell_text(value)});
    }
  }
  return rows;
}

std::string evaluate_section(const std::vector<NamedReport>& reports) {
  Table table{{"report", "direction", "queries", "gallery", "R@1", "R@5", "R@10", "mAP", "mINP"}, {}};
  for (const auto& report : reports)
    for (const auto& [key, label] : {std::pair<const char*, const char*>{"text_to_image", "text to image"},
                                     {"image_to_text", "image to text"},
                                     {"chance", "chance"}}) {
      const Json metrics = value_at(report.second, key);
      if (!metrics.is_object()) continue;
      std::vector<std::string> row = {stem_of(report), label, cell_text(value_at(report.second, "queries")),
                                      cell_text(value_at(report.second, "gallery"))};
      for (const char* metric : {"R@1", "R@5", "R@10", "mAP", "mINP"})
        row.push_back(percent_cell(value_at(metrics, metric)));
      table.rows.push_back(std::move(row));
    }
  return html_section("Retrieval", html_table(table) + "<p class=\"note\">All metrics in percent.</p>\n");
}

std::string bench_section(const std::vector<NamedReport>& reports) {
  static constexpr std::pair<const char*, const char*> kRows[] = {
      {"precision", "precision"},
      {"batch", "batch"},
      {"total_queries", "total queries"},
      {"total_time_s", "total time, s"},
      {"total_inference_time_s", "total inference time, s"},
      {"avg_inference_time_s", "average inference time, s"},
      {"avg_qps", "queries per second"},
      {"latency_ms.p10", "latency p10, ms"},
      {"latency_ms.median", "latency median, ms"},
      {"latency_ms.p90", "latency p90, ms"},
      {"latency_ms.p99", "latency p99, ms"},
      {"cpu_percent.avg", "CPU average, % of one CPU"},
      {"cpu_percent.peak", "CPU peak, % of one CPU"},
      {"memory_percent.avg", "memory average, %"},
      {"memory_percent.peak", "memory peak, %"},
      {"rss_mb.avg", "resident memory average, MiB"},
      {"rss_mb.peak", "resident memory peak, MiB"},
      {"gpu_percent.avg", "GPU average, %"},
      {"power_w.avg", "power average, W"},
      {"model_mb", "model, MiB"}};
  Table table{{""}, {}};
  for (const auto& report : reports) table.columns.push_back(stem_of(report));
  for (const auto& [path, label] : kRows) {
    std::vector<std::string> row = {label};
    for (const auto& report : reports) row.push_back(cell_text(value_at(report.second, path)));
    table.rows.push_back(std::move(row));
  }
  return html_section("Deployment",
                      html_table(table) +
                          "<p class=\"note\">A query is one image read, decoded, preprocessed, encoded and "
                          "searched for. — : not measurable on this machine.</p>\n");
}

std::string table_section(const NamedReport& report) {
  const std::string where = report.first.string();
  const Json& json = report.second;
  const Json rows = json.is_array() ? json : value_at(json, "rows");
  if (!rows.is_array()) invalid_input("{}: rows: expected a list, found {}", where, json_kind(rows));
  Table table;
  if (const Json columns = json.is_object() ? value_at(json, "columns") : Json(nullptr); columns.is_array()) {
    for (const auto& column : columns) table.columns.push_back(cell_text(column));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!rows[i].is_array() || rows[i].size() != table.columns.size())
        invalid_input("{}: row {}: expected a list of {} cells", where, i, table.columns.size());
      std::vector<std::string> cells;
      for (const auto& value : rows[i]) cells.push_back(cell_text(value));
      table.rows.push_back(std::move(cells));
    }
  } else {
    table = list_of_objects(rows, where);
  }
  const Json title = json.is_object() ? value_at(json, "title") : Json(nullptr);
  const Json note = json.is_object() ? value_at(json, "note") : Json(nullptr);
  std::string body = html_table(table);
  if (note.is_string()) body += "<p class=\"note\">" + escape_html(note.get<std::string>()) + "</p>\n";
  return html_section(title.is_string() ? title.get<std::string>() : stem_of(report), body);
}

std::string other_section(const NamedReport& report) {
  const Table table{{"key", "value"}, key_value_rows(report.second)};
  return html_section(fmt::format("{}: {}", cell_text(value_at(report.second, "command")), stem_of(report)),
                      html_table(table));
}

}  // namespace edgeclip::report
