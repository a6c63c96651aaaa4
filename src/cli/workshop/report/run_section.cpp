#include "cli/workshop/report/run_section.h"

#include <algorithm>

#include "cli/runtime/report/html.h"
#include "cli/runtime/report/names.h"
#include "cli/workshop/report/example_section.h"

namespace edgeclip::report {

namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

Table pair_table(const Rows& rows) {
  Table table{{"", ""}, {}};
  for (const auto& [key, value] : rows) table.rows.push_back({key, value});
  return table;
}

std::string folded_table(const std::string& summary, const Rows& rows) {
  return rows.empty() ? "" : html_details(summary, html_table(pair_table(rows)));
}

std::string title_of(const RunData& run) {
  std::string title = "Training: " + run.name;
  if (const std::string data = text_at(run.description, "data"); !data.empty())
    title += " on " + artifact_name(data);
  if (const std::string init = text_at(run.description, "init"); !init.empty())
    title += ", from " + artifact_name(init);
  return title;
}

std::string charts_of(const RunData& run) {
  std::string html =
      svg_chart({"Loss",
                 "step",
                 "total loss",
                 {series_of(run, "loss", "training"), series_of(run, "val.loss", "validation", true)}});
  if (const auto names = names_in(run, "losses"); names.size() > 1) {
    Chart parts{"Losses, each without its weight", "step", "loss", {}};
    for (const auto& name : names) parts.series.push_back(series_of(run, "losses." + name, name));
    html += svg_chart(parts);
  }
  for (const auto& [key, label] :
       {std::pair<const char*, const char*>{"text_to_image", "Validation, text to image"},
        {"image_to_text", "Validation, image to text"}}) {
    Chart chart{label, "step", "percent", {}};
    for (const char* metric : {"mAP", "R@1", "R@5", "R@10"})
      chart.series.push_back(series_of(run, std::string("val.") + key + "." + metric, metric, true));
    html += svg_chart(chart);
  }
  html += svg_chart({"Learning rate", "step", "rate", {series_of(run, "lr", "rate")}});
  return html +
         svg_chart(
             {"Norm of the gradient", "step", "norm before clipping", {series_of(run, "grad_norm", "norm")}});
}

/// A row per key, a column per run; "" where a run has no such key.  Rows that differ come first and are
/// marked.
Table compare(const std::vector<RunData>& runs, const std::vector<Rows>& rows_of) {
  Table table{{""}, {}, {}};
  for (const auto& run : runs) table.columns.push_back(run.name);
  std::vector<std::string> keys;
  for (const auto& rows : rows_of)
    for (const auto& [key, value] : rows)
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  std::vector<std::vector<std::string>> same;
  for (const auto& key : keys) {
    std::vector<std::string> row = {key};
    for (const auto& rows : rows_of) {
      const auto at = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.first == key; });
      row.push_back(at == rows.end() ? "" : at->second);
    }
    const bool differs =
        std::any_of(row.begin() + 2, row.end(), [&](const auto& cell) { return cell != row[1]; });
    (differs ? table.rows : same).push_back(std::move(row));
  }
  table.marked.assign(table.rows.size(), true);
  table.rows.insert(table.rows.end(), same.begin(), same.end());
  return table;
}

/// What differs is shown, the rest folded away.
std::string comparison_table(const std::string& what, const Table& table) {
  Table differing = table, same{table.columns, {}, {}};
  same.rows.assign(table.rows.begin() + static_cast<std::ptrdiff_t>(table.marked.size()), table.rows.end());
  differing.rows.resize(table.marked.size());
  std::string html;
  if (!differing.rows.empty())
    html += "<h3>" + escape_html(what) + ": what differs</h3>\n" + html_table(differing);
  if (!same.rows.empty()) html += html_details(what + ": the same in all", html_table(same));
  return html;
}

}  // namespace

std::string run_section(const RunData& run) {
  std::string body = "<div class=\"charts\">\n" + charts_of(run) + "</div>\n";
  if (const Rows results = results_of(run); !results.empty()) body += html_table(pair_table(results));
  if (run.examples.is_object())
    body += example_pictures(value_at(run.examples, "examples"), (run.folder / "examples.json").string());
  body += folded_table("Configuration", configuration_of(run));
  body += folded_table("Environment", environment_of(run));
  return html_section(title_of(run), body);
}

std::string comparison_section(const std::vector<RunData>& runs) {
  if (runs.size() < 2) return {};
  std::string body = "<div class=\"charts\">\n";
  struct Figure {
    const char *path, *title, *y;
    bool markers;
  };
  for (const Figure& figure : {Figure{"loss", "Training loss", "total loss", false},
                               {"val.loss", "Validation loss", "total loss", true},
                               {"val.text_to_image.R@1", "Validation R@1, text to image", "percent", true},
                               {"val.text_to_image.mAP", "Validation mAP, text to image", "percent", true},
                               {"lr", "Learning rate", "rate", false},
                               {"grad_norm", "Norm of the gradient", "norm before clipping", false}}) {
    Chart chart{figure.title, "step", figure.y, {}};
    for (const auto& run : runs)
      chart.series.push_back(series_of(run, figure.path, run.name, figure.markers));
    body += svg_chart(chart);
  }
  body += "</div>\n";
  std::vector<Rows> results, configurations, environments;
  for (const auto& run : runs) {
    results.push_back(results_of(run));
    configurations.push_back(configuration_of(run));
    environments.push_back(environment_of(run));
  }
  Table outcome = compare(runs, results);
  outcome.marked.clear();  // they are all meant to differ
  body += html_table(outcome);
  body += comparison_table("Configuration", compare(runs, configurations));
  body += comparison_table("Environment", compare(runs, environments));
  return html_section("Runs side by side", body);
}

}  // namespace edgeclip::report
