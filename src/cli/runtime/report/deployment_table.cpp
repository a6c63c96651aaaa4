#include "cli/runtime/report/deployment_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/utf8.h"

namespace edgeclip::report {

namespace {

struct Row {
  const char* path;  ///< of the report
  const char* label;
  int digits;  ///< behind the point
};

constexpr Row kRows[] = {{"precision", "precision", 0},
                         {"batch", "batch", 0},
                         {"total_queries", "total queries", 0},
                         {"total_time_s", "total time, s", 3},
                         {"total_inference_time_s", "total inference time, s", 3},
                         {"avg_inference_time_s", "average inference time, s", 6},
                         {"avg_qps", "queries per second", 2},
                         {"latency_ms.p10", "latency p10, ms", 3},
                         {"latency_ms.median", "latency median, ms", 3},
                         {"latency_ms.p90", "latency p90, ms", 3},
                         {"latency_ms.p99", "latency p99, ms", 3},
                         {"text.total_queries", "texts: total queries", 0},
                         {"text.total_time_s", "texts: total time, s", 3},
                         {"text.total_inference_time_s", "texts: total inference time, s", 3},
                         {"text.avg_inference_time_s", "texts: average inference time, s", 6},
                         {"text.avg_qps", "texts: queries per second", 2},
                         {"text.latency_ms.p10", "texts: latency p10, ms", 3},
                         {"text.latency_ms.median", "texts: latency median, ms", 3},
                         {"text.latency_ms.p90", "texts: latency p90, ms", 3},
                         {"text.latency_ms.p99", "texts: latency p99, ms", 3},
                         {"cold_start_ms.open", "cold start, plan opened, ms", 1},
                         {"cold_start_ms.image", "cold start, first image answered, ms", 1},
                         {"cold_start_ms.text", "cold start, first text answered, ms", 1},
                         {"cpu_percent.avg", "CPU average, % of one CPU", 1},
                         {"cpu_percent.peak", "CPU peak, % of one CPU", 1},
                         {"memory_percent.avg", "memory average, %", 2},
                         {"memory_percent.peak", "memory peak, %", 2},
                         {"rss_mb.avg", "resident memory average, MiB", 1},
                         {"rss_mb.peak", "resident memory peak, MiB", 1},
                         {"anonymous_mb.avg", "of it its own average, MiB", 1},
                         {"anonymous_mb.peak", "of it its own peak, MiB", 1},
                         {"mapped_mb.avg", "of it files average, MiB", 1},
                         {"mapped_mb.peak", "of it files peak, MiB", 1},
                         {"gpu_percent.avg", "GPU average, %", 1},
                         {"gpu_percent.peak", "GPU peak, %", 1},
                         {"power_w.avg", "power average, W", 1},
                         {"power_w.peak", "power peak, W", 1},
                         {"model_mb", "model, MiB", 2}};

constexpr Row kSoakRows[] = {{"minutes", "minutes", 1},
                             {"warmup_minutes", "of them warm-up", 1},
                             {"image_queries", "image queries", 0},
                             {"text_queries", "text queries", 0},
                             {"errors", "errors", 0},
                             {"first_error", "the first of them", 0},
                             {"memory_slope_mb_per_hour", "growth of its own memory, MiB per hour", 3},
                             {"anonymous_mb.first", "its own memory after warm-up, MiB", 1},
                             {"anonymous_mb.last", "its own memory at the end, MiB", 1},
                             {"anonymous_mb.peak", "its own memory at most, MiB", 1},
                             {"latency_drift.image", "latency of images, last tenth to first", 3},
                             {"latency_drift.text", "latency of texts, last tenth to first", 3},
                             {"appended", "images appended meanwhile", 0},
                             {"removed", "images removed meanwhile", 0},
                             {"generations_read", "generations of the gallery read", 0}};

/// Whether a report says something of a measure; null (of all of `gpu_percent`, say) is something.
bool has(const Json& report, const std::string& path) {
  const Json* at = &report;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string key = path.substr(begin, end - begin);
    if (at->is_null()) return true;
    if (!at->is_object() || !at->contains(key)) return false;
    at = &at->at(key);
    begin = end + 1;
  }
  return true;
}

std::string cell_of(const Json& value, int digits, const std::string& unknown) {
  if (value.is_null()) return unknown;
  if (value.is_number_float()) return fmt::format("{:.{}f}", value.get<double>(), digits);
  return cell_text(value);
}

void add_rows(Table& table, const Row* begin, const Row* end, const std::vector<NamedReport>& reports, const std::string& unknown) {
  for (const Row* row = begin; row != end; ++row) {
    if (std::none_of(reports.begin(), reports.end(), [&](const NamedReport& report) { return has(report.second, row->path); })) continue;
    table.rows.push_back({row->label});
    for (const NamedReport& report : reports) table.rows.back().push_back(cell_of(value_at(report.second, row->path), row->digits, unknown));
  }
}

/// Both towers by themselves, by batch size.
void add_towers(Table& table, const std::vector<NamedReport>& reports, const std::string& unknown) {
  std::vector<std::string> batches;
  for (const NamedReport& report : reports) {
    const Json towers = value_at(report.second, "towers");
    for (const auto& [batch, ms] : towers.items())
      if (std::find(batches.begin(), batches.end(), batch) == batches.end()) batches.push_back(batch);
  }
  for (const std::string& batch : batches)
    for (const char* tower : {"image", "text"}) {
      table.rows.push_back({fmt::format("{} tower, batch {}, ms each", tower, batch)});
      for (const NamedReport& report : reports)
        table.rows.back().push_back(cell_of(value_at(report.second, fmt::format("towers.{}.{}", batch, tower)), 3, unknown));
    }
}

std::vector<NamedReport> columns_of(const Json& report) { return each_precision({"", report}); }

std::string title_of(const Json& report) {
  const std::string data = data_name(report);
  return data.empty() ? "Deployment" : "Deployment, images of " + data;
}

std::size_t width_of(const std::string& text) { return utf8_to_utf32(text).size(); }

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return right ? space + text : text + space;
}

}  // namespace

std::vector<NamedReport> each_precision(const NamedReport& report) {
  const Json precisions = value_at(report.second, "precisions");
  if (!precisions.is_array() || precisions.empty()) return {report};
  std::vector<NamedReport> each;
  for (const Json& precision : precisions) {
    Json whole = {{"command", "bench"}};
    for (const char* key : {"data", "split", "threads"})
      if (report.second.contains(key)) whole[key] = report.second.at(key);
    if (precision.is_object()) whole.update(precision);
    each.emplace_back(report.first, std::move(whole));
  }
  return each;
}

std::vector<std::string> plan_names(const std::vector<NamedReport>& reports) {
  std::vector<std::string> names, paths;
  for (const NamedReport& report : reports) {
    names.push_back(model_name(report));
    paths.push_back(text_at(report.second, "plan"));
  }
  std::vector<std::string> distinct = names;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (std::count(names.begin(), names.end(), names[i]) > 1 && !paths[i].empty()) distinct[i] = paths[i];
  return distinct;
}

Table deployment_table(const std::vector<NamedReport>& reports, const std::vector<std::string>& names, const std::string& unknown) {
  Table table{{"measure"}, {}};
  table.columns.insert(table.columns.end(), names.begin(), names.end());
  add_rows(table, std::begin(kRows), std::end(kRows), reports, unknown);
  add_towers(table, reports, unknown);
  return table;
}

std::string deployment_note() {
  return "A query is one image read, decoded, preprocessed, encoded and searched for; of texts, one tokenized, encoded and searched for. Cold start is "
         "the time from opening the plan to the first answer. — : not measurable on this machine.";
}

Table soak_table(const Json& soak) {
  Table table{{"measure", "value"}, {}};
  Json known = soak;
  if (value_at(soak, "first_error").is_null()) known.erase("first_error");
  add_rows(table, std::begin(kSoakRows), std::end(kSoakRows), {{"", known}}, "—");
  return table;
}

std::string text_table(const Table& table) {
  std::vector<std::size_t> widths(table.columns.size(), 14);
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], width_of(cells[i]));
  };
  widen(table.columns);
  for (const auto& row : table.rows) widen(row);
  std::string text;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) text += (i == 0 ? "" : "  ") + padded(cells[i], widths[i], i > 0);
    text += '\n';
  };
  if (table.columns.size() > 2) line(table.columns);
  for (const auto& row : table.rows) line(row);
  return text;
}

std::string markdown_table(const Table& table) {
  const auto cell = [](std::string text) {
    for (std::size_t at = 0; (at = text.find_first_of("|\n", at)) != std::string::npos; at += 2)
      text.replace(at, 1, text[at] == '|' ? "\\|" : "  ");
    return text;
  };
  std::string text;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (const std::string& each : cells) text += "| " + cell(each) + " ";
    text += "|\n";
  };
  line(table.columns);
  for (std::size_t i = 0; i < table.columns.size(); ++i) text += i == 0 ? "|---" : "|---:";
  text += "|\n";
  for (const auto& row : table.rows) line(row);
  return text;
}

std::string deployment_markdown(const Json& report, const std::string& footer) {
  const auto columns = columns_of(report);
  std::string text = fmt::format("<!-- report of edgeclip -->\n# {}\n\n{}\n{}\n", title_of(report),
                                 markdown_table(deployment_table(columns, plan_names(columns))), deployment_note());
  if (const Json soak = value_at(report, "soak"); soak.is_object()) text += fmt::format("\n## Soak\n\n{}", markdown_table(soak_table(soak)));
  return text + fmt::format("\n{}\n", footer);
}

std::string deployment_page(const Json& report, const std::string& footer) {
  const auto columns = columns_of(report);
  std::string body = html_section("What a query costs", html_table(deployment_table(columns, plan_names(columns))) +
                                                             fmt::format("<p class=\"note\">{}</p>\n", escape_html(deployment_note())));
  if (const Json soak = value_at(report, "soak"); soak.is_object()) body += html_section("Soak", html_table(soak_table(soak)));
  return html_page(title_of(report), body, footer);
}

}  // namespace edgeclip::report
