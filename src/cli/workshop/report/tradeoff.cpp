#include "cli/workshop/report/tradeoff.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/workshop/report/svg_scatter.h"

namespace edgeclip::report {

namespace {

constexpr const char* kMetric = "text_to_image.mAP";
constexpr const char* kBetter = "Further up: more accurate. Further left: cheaper.";

ScatterSeries& series_named(Scatter& chart, const std::string& name) {
  for (auto& series : chart.series)
    if (series.name == name) return series;
  return chart.series.emplace_back(ScatterSeries{name, {}});
}

void add(Scatter& chart, const std::string& series, const std::string& label, const Json& x, const Json& y) {
  if (x.is_number() && y.is_number())
    series_named(chart, series).points.push_back({label, x.get<double>(), y.get<double>()});
}

std::size_t count_points(const Scatter& chart) {
  std::size_t count = 0;
  for (const auto& series : chart.series) count += series.points.size();
  return count;
}

std::string side_by_side(const std::string& charts) {
  return charts.empty() ? charts : "<div class=\"charts\">\n" + charts + "</div>\n";
}

}  // namespace

std::string evaluation_charts(const std::vector<NamedReport>& evaluations) {
  Scatter chart{"Accuracy and time", "ms per image, encoder alone", "mAP, text to image, %", kBetter, {}};
  for (const auto& report : evaluations)
    add(chart, data_name(report.second), model_name(report), value_at(report.second, "image_ms"),
        value_at(report.second, kMetric));
  return count_points(chart) < 2 ? "" : side_by_side(svg_scatter(chart));
}

std::string deployment_charts(const std::vector<NamedReport>& benches,
                              const std::vector<NamedReport>& evaluations) {
  Scatter latency{
      "Accuracy and latency", "median latency of a query, ms", "mAP, text to image, %", kBetter, {}},
      size{"Accuracy and size", "model, MiB", "mAP, text to image, %", kBetter, {}};
  for (const auto& bench : benches) {
    const std::string plan = text_at(bench.second, "plan");
    const Json batch = value_at(bench.second, "batch");
    const std::string label =
        model_name(bench) +
        (batch.is_number() && batch != 1 ? fmt::format(", batch {}", cell_text(batch)) : "");
    for (const auto& report : evaluations) {
      if (plan.empty() || text_at(report.second, "encoder") != plan) continue;
      const Json map = value_at(report.second, kMetric);
      add(latency, data_name(report.second), label, value_at(bench.second, "latency_ms.median"), map);
      add(size, data_name(report.second), label, value_at(bench.second, "model_mb"), map);
    }
  }
  return side_by_side(svg_scatter(latency) + svg_scatter(size));
}

std::string table_charts(const Json& charts, const std::vector<std::string>& columns,
                         const std::vector<std::vector<Json>>& rows, const std::string& where) {
  if (charts.is_null()) return {};
  if (!charts.is_array()) invalid_input("{}: charts: expected a list, found {}", where, json_kind(charts));
  std::string svg;
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const auto column = [&](const Json& name, const char* key) {
      const auto at = name.is_string() ? std::find(columns.begin(), columns.end(), name.get<std::string>())
                                       : columns.end();
      if (at == columns.end())
        invalid_input("{}: charts: {}: {}: {} is no column of the table", where, i, key, name.dump());
      return static_cast<std::size_t>(at - columns.begin());
    };
    const std::size_t label = column(value_at(charts[i], "label"), "label"),
                      x = column(value_at(charts[i], "x"), "x");
    const Json y = value_at(charts[i], "y"), several = y.is_array() ? y : Json::array({y});
    Scatter chart{text_at(charts[i], "title"), columns[x], "", text_at(charts[i], "caption"), {}};
    if (chart.caption.empty()) chart.caption = kBetter;
    for (const auto& name : several) {
      const std::size_t at = column(name, "y");
      for (const auto& row : rows) add(chart, columns[at], cell_text(row[label]), row[x], row[at]);
      chart.y_label += (chart.y_label.empty() ? "" : ", ") + columns[at];
    }
    if (chart.title.empty()) chart.title = fmt::format("{} against {}", chart.y_label, columns[x]);
    svg += svg_scatter(chart);
  }
  return side_by_side(svg);
}

}  // namespace edgeclip::report
