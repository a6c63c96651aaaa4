#include "cli/workshop/report/json_section.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/runtime/report/deployment_table.h"
#include "cli/runtime/report/html.h"
#include "cli/workshop/report/example_section.h"
#include "cli/workshop/report/tradeoff.h"

namespace edgeclip::report {

namespace {

std::string stem_of(const NamedReport& report) { return report.first.stem().string(); }

std::string percent_cell(const Json& value) {
  return value.is_number() ? fmt::format("{:.2f}", value.get<double>()) : cell_text(value);
}

/// The dataset that all reports were measured on, "" if they differ or do not say.
std::string common_data(const std::vector<NamedReport>& reports) {
  const std::string name = reports.empty() ? "" : data_name(reports.front().second);
  for (const auto& report : reports)
    if (data_name(report.second) != name) return {};
  return name;
}

/// Names that two reports share are told apart by the names of their files.
std::vector<std::string> distinct_names(const std::vector<NamedReport>& reports) {
  std::vector<std::string> names, out;
  for (const auto& report : reports) names.push_back(model_name(report));
  for (std::size_t i = 0; i < names.size(); ++i)
    out.push_back(std::count(names.begin(), names.end(), names[i]) == 1 || names[i] == stem_of(reports[i])
                      ? names[i]
                      : fmt::format("{} ({})", names[i], stem_of(reports[i])));
  return out;
}

/// A table before its values become text.
struct Cells {
  std::vector<std::string> columns;
  std::vector<std::vector<Json>> rows;
};

Cells cells_of(const Json& json, const Json& rows, const std::string& where) {
  Cells cells;
  if (const Json columns = json.is_object() ? value_at(json, "columns") : Json(nullptr); columns.is_array()) {
    for (const auto& column : columns) cells.columns.push_back(cell_text(column));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!rows[i].is_array() || rows[i].size() != cells.columns.size())
        invalid_input("{}: row {}: expected a list of {} cells", where, i, cells.columns.size());
      cells.rows.emplace_back(rows[i].begin(), rows[i].end());
    }
    return cells;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].is_object())
      invalid_input("{}: row {}: expected an object, found {}", where, i, json_kind(rows[i]));
    for (const auto& item : rows[i].items())
      if (std::find(cells.columns.begin(), cells.columns.end(), item.key()) == cells.columns.end())
        cells.columns.push_back(item.key());
  }
  for (const auto& row : rows) {
    cells.rows.emplace_back();
    for (const auto& column : cells.columns)
      cells.rows.back().push_back(row.contains(column) ? row.at(column) : Json(""));
  }
  return cells;
}

}  // namespace

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
  const std::string data = common_data(reports);
  Table table{{"model", "direction", "queries", "gallery", "R@1", "R@5", "R@10", "mAP", "mINP"}, {}};
  if (data.empty()) table.columns.insert(table.columns.begin() + 1, "on");
  const auto names = data.empty() ? std::vector<std::string>() : distinct_names(reports);
  for (std::size_t i = 0; i < reports.size(); ++i)
    for (const auto& [key, label] : {std::pair<const char*, const char*>{"text_to_image", "text to image"},
                                     {"image_to_text", "image to text"},
                                     {"chance", "chance"}}) {
      const Json& report = reports[i].second;
      const Json metrics = value_at(report, key);
      if (!metrics.is_object()) continue;
      std::vector<std::string> row = {data.empty() ? model_name(reports[i]) : names[i]};
      if (data.empty()) row.push_back(data_name(report));
      for (const std::string& cell : {std::string(label), cell_text(value_at(report, "queries")),
                                      cell_text(value_at(report, "gallery"))})
        row.push_back(cell);
      for (const char* metric : {"R@1", "R@5", "R@10", "mAP", "mINP"})
        row.push_back(percent_cell(value_at(metrics, metric)));
      table.rows.push_back(std::move(row));
    }
  std::string body =
      html_table(table) + "<p class=\"note\">All metrics in percent.</p>\n" + evaluation_charts(reports);
  for (const auto& report : reports)
    if (const Json examples = value_at(report.second, "examples"); !examples.is_null())
      body += html_details("Examples: " + model_name(report), example_pictures(examples, report.first.string()));
  return html_section(data.empty() ? "Retrieval" : "Retrieval on " + data, body);
}

std::string bench_section(const std::vector<NamedReport>& reports,
                          const std::vector<NamedReport>& evaluations) {
  std::vector<NamedReport> plans;
  std::vector<std::string> names;
  const std::vector<std::string> of_reports = distinct_names(reports);
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const auto each = each_precision(reports[i]);
    const auto each_name = each.size() == 1 ? std::vector<std::string>{of_reports[i]} : plan_names(each);
    plans.insert(plans.end(), each.begin(), each.end());
    names.insert(names.end(), each_name.begin(), each_name.end());
  }
  const std::string data = common_data(reports);
  return html_section(data.empty() ? "Deployment" : "Deployment, images of " + data,
                      html_table(deployment_table(plans, names)) +
                          fmt::format("<p class=\"note\">{}</p>\n", escape_html(deployment_note())) +
                          deployment_charts(plans, evaluations));
}

std::string search_section(const NamedReport& report) {
  const Json queries = value_at(report.second, "queries");
  if (!queries.is_array())
    invalid_input("{}: queries: expected a list, found {}", report.first.string(), json_kind(queries));
  const std::string note =
      fmt::format("<p class=\"note\">{} images of {}, encoded by {}; score: cosine.</p>\n",
                  cell_text(value_at(report.second, "images")),
                  escape_html(artifact_name(text_at(report.second, "gallery"))),
                  escape_html(artifact_name(text_at(report.second, "plan"))));
  std::string html;
  for (const auto& query : queries) {
    const Json results = value_at(query, "results");
    Table table{{"rank", "score", "id", "image", "caption"}, {}};
    for (const auto& hit : results.is_array() ? results : Json::array()) {
      std::vector<std::string> row;
      for (const char* key : {"rank", "score", "id", "path", "caption"}) {
        const Json value = value_at(hit, key);
        row.push_back(value.is_null() ? "" : cell_text(value));
      }
      table.rows.push_back(std::move(row));
    }
    html += html_section(fmt::format("Search: “{}”", text_at(query, "query")), html_table(table) + note);
  }
  return html;
}

std::string table_section(const NamedReport& report) {
  const std::string where = report.first.string();
  const Json& json = report.second;
  const Json rows = json.is_array() ? json : value_at(json, "rows");
  if (!rows.is_array()) invalid_input("{}: rows: expected a list, found {}", where, json_kind(rows));
  const Cells cells = cells_of(json, rows, where);
  Table table{cells.columns, {}};
  for (const auto& row : cells.rows) {
    table.rows.emplace_back();
    for (const auto& value : row) table.rows.back().push_back(cell_text(value));
  }
  const Json title = json.is_object() ? value_at(json, "title") : Json(nullptr);
  const Json note = json.is_object() ? value_at(json, "note") : Json(nullptr);
  std::string body = html_table(table);
  if (note.is_string()) body += "<p class=\"note\">" + escape_html(note.get<std::string>()) + "</p>\n";
  if (json.is_object()) body += table_charts(value_at(json, "charts"), cells.columns, cells.rows, where);
  return html_section(title.is_string() ? title.get<std::string>() : stem_of(report), body);
}

std::string other_section(const NamedReport& report) {
  // "Verify: plan-int8, bundle" tells more than the name of a file.
  std::string about;
  for (const char* key : {"plan", "checkpoint", "bundle", "gallery", "data", "out"})
    if (const std::string path = text_at(report.second, key); !path.empty())
      about += (about.empty() ? "" : ", ") + artifact_name(path);
  std::string command = cell_text(value_at(report.second, "command"));
  if (!command.empty() && command[0] >= 'a' && command[0] <= 'z')
    command[0] = static_cast<char>(command[0] - 32);
  const Table table{{"key", "value"}, key_value_rows(report.second)};
  return html_section(fmt::format("{}: {}", command, about.empty() ? stem_of(report) : about),
                      html_table(table));
}

}  // namespace edgeclip::report
