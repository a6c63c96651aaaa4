#include "cli/workshop/compress_report/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/median.h"
#include "builder/verify_layers.h"
#include "cli/runtime/report/html.h"
#include "cli/runtime/report/names.h"
#include "cli/workshop/report/svg_scatter.h"

namespace edgeclip::compress_report {

namespace {

using report::value_at;

constexpr const char* kScores[] = {"R@1", "R@5", "R@10", "mAP"};
constexpr const char* kBatches[] = {"1", "4", "8"};

Json spread(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return {{"mean", mean}, {"std", values.size() > 1 ? Json(std::sqrt(squares / (n - 1))) : Json(nullptr)}, {"values", values}};
}

/// The numbers at one place of several reports; those that have none there are passed over.
std::vector<double> all_at(const std::vector<Json>& reports, const std::string& path) {
  std::vector<double> values;
  for (const Json& json : reports)
    if (const Json value = value_at(json, path); value.is_number()) values.push_back(value.get<double>());
  return values;
}

Json median_at(const std::vector<Json>& reports, const std::string& path) {
  const std::vector<double> values = all_at(reports, path);
  return values.empty() ? Json(nullptr) : Json(median(values));
}

Json verify_result(const Json& verified) {
  double least = 1;
  for (const Json& at : verified.at("cases")) least = at.at("cosine").is_number() ? std::min(least, at.at("cosine").get<double>()) : std::nan("");
  return {{"passed", verified.at("passed")}, {"cosine", builder::finite_or_null(least)}};
}

std::string number(const Json& value, int digits) {
  return value.is_number() ? fmt::format("{:.{}f}", value.get<double>(), digits) : "—";
}

/// "34.2", or "34.2 ± 0.3" of several.
std::string score(const Json& row, const std::string& direction, const char* name) {
  const Json& of = row.at(direction).at(name);
  return number(of.at("mean"), 2) + (of.at("std").is_null() ? "" : " ± " + number(of.at("std"), 2));
}

std::string times(const Json& base, const Json& value) {
  return base.is_number() && value.is_number() && value.get<double>() > 0
             ? fmt::format("{:.2f}", base.get<double>() / value.get<double>())
             : "—";
}

std::string chart(const std::vector<Json>& rows, const char* title, const char* cost, const std::string& cost_path, const char* gain) {
  report::Scatter scatter{title, cost, fmt::format("{}, text to image, %", gain),
                          "Further up: more accurate. Further left: cheaper. Dashed: what no other row beats.", {}, true};
  std::map<std::string, std::size_t> series_of;
  for (const Json& row : rows) {
    const std::string network = row.at("network");
    const auto [at, is_new] = series_of.emplace(network, scatter.series.size());
    if (is_new) scatter.series.push_back({network, {}});
    const Json x = value_at(row, cost_path);
    if (x.is_number())
      scatter.series[at->second].points.push_back(
          {row.at("name"), x.get<double>(), row.at("text_to_image").at(gain).at("mean").get<double>()});
  }
  // Points have names; of many networks a legend would be ellipses.
  constexpr std::size_t kMostNames = 4;
  if (scatter.series.size() > kMostNames)
    for (auto& series : scatter.series) series.name.clear();
  return report::svg_scatter(scatter);
}

}  // namespace

Json row_result(const RowReports& reports) {
  Json row = {{"name", reports.name}, {"network", reports.network}, {"precision", reports.precision}, {"seeds", reports.evaluated.size()}};
  for (const char* direction : {"text_to_image", "image_to_text"})
    for (const char* name : kScores) row[direction][name] = spread(all_at(reports.evaluated, fmt::format("{}.{}", direction, name)));
  for (const char* batch : kBatches)
    for (const char* tower : {"image", "text"})
      row[fmt::format("{}_ms", tower)][batch] = median_at(reports.benched, fmt::format("towers.{}.{}", batch, tower));
  row["query_ms"] = median_at(reports.benched, "latency_ms.median");
  row["peak_rss_mb"] = median_at(reports.benched, "rss_mb.peak");
  row["onnx_mb"] = static_cast<double>(reports.onnx_bytes) / 1e6;
  const Json plan = median_at(reports.benched, "model_mb");
  row["plan_mb"] = plan.is_number() ? Json(plan.get<double>() * 1024 * 1024 / 1e6) : plan;
  row["macs"] = value_at(reports.profiled, "macs.image").get<double>() + value_at(reports.profiled, "macs.text").get<double>();
  row["parameters"] = value_at(reports.profiled, "parameters.total");
  row["verify"] = verify_result(reports.verified);
  std::set<std::string> revisions;
  for (const auto* list : {&reports.evaluated, &reports.benched, &reports.others})
    for (const Json& json : *list)
      if (const Json revision = value_at(json, "revision"); revision.is_string()) revisions.insert(revision.get<std::string>());
  row["revisions"] = revisions;
  return row;
}

std::string result_text(const std::vector<Json>& rows) {
  std::size_t width = 4;
  for (const Json& row : rows) width = std::max(width, row.at("name").get_ref<const std::string&>().size());
  std::string text = fmt::format("{:<{}} {:>14} {:>14} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}\n", "row", width, "R@1", "mAP", "image ms", "batch 8",
                                 "text ms", "ONNX MB", "plan MB", "MMACs");
  for (const Json& row : rows)
    text += fmt::format("{:<{}} {:>14} {:>14} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}\n", row.at("name").get<std::string>(), width,
                        score(row, "text_to_image", "R@1"), score(row, "text_to_image", "mAP"), number(row.at("image_ms").at("1"), 3),
                        number(row.at("image_ms").at("8"), 3), number(row.at("text_ms").at("1"), 3), number(row.at("onnx_mb"), 2),
                        number(row.at("plan_mb"), 2), number(row.at("macs").get<double>() / 1e6, 1));
  return text;
}

std::string result_page(const std::vector<Json>& rows, const std::string& about) {
  report::Table scores{{"row", "seeds"}, {}}, costs{{"row"}, {}};
  for (const char* direction : {"text to image", "image to text"})
    for (const char* name : kScores) scores.columns.push_back(fmt::format("{} {}", direction, name));
  for (const char* tower : {"image", "text"})
    for (const char* batch : kBatches) costs.columns.push_back(fmt::format("{}, batch {}, ms", tower, batch));
  for (const char* column : {"image, times as fast", "query, ms", "ONNX, MB", "plan, MB", "times as small", "peak memory, MiB", "MMACs", "parameters",
                             "least cosine to float32", "verified"})
    costs.columns.push_back(column);
  const Json& first = rows.front();
  for (const Json& row : rows) {
    std::vector<std::string> cells = {row.at("name"), row.at("seeds").dump()}, cost = {row.at("name")};
    for (const char* direction : {"text_to_image", "image_to_text"})
      for (const char* name : kScores) cells.push_back(score(row, direction, name));
    for (const char* tower : {"image_ms", "text_ms"})
      for (const char* batch : kBatches) cost.push_back(number(row.at(tower).at(batch), 3));
    const Json& verify = row.at("verify");
    for (const std::string& cell :
         {times(first.at("image_ms").at("1"), row.at("image_ms").at("1")), number(row.at("query_ms"), 3), number(row.at("onnx_mb"), 2),
          number(row.at("plan_mb"), 2), times(first.at("plan_mb"), row.at("plan_mb")), number(row.at("peak_rss_mb"), 0),
          number(row.at("macs").get<double>() / 1e6, 1), row.at("parameters").dump(), number(verify.at("cosine"), 6),
          std::string(verify.at("passed").get<bool>() ? "yes" : "no")})
      cost.push_back(cell);
    scores.rows.push_back(std::move(cells));
    costs.rows.push_back(std::move(cost));
  }
  const std::string charts = chart(rows, "Size and recall", "plan, MB", "plan_mb", "R@1") +
                             chart(rows, "Latency and recall", "image tower, batch 1, ms", "image_ms.1", "R@1") +
                             chart(rows, "Size and mAP", "plan, MB", "plan_mb", "mAP") +
                             chart(rows, "Latency and mAP", "image tower, batch 1, ms", "image_ms.1", "mAP");
  return (about.empty() ? "" : "<p>" + report::escape_html(about) + "</p>\n") +
         report::html_section("Retrieval", report::html_table(scores) +
                                               "<p class=\"note\">Percent. ±: standard deviation over seeds.</p>\n") +
         report::html_section("Cost", report::html_table(costs) +
                                          "<p class=\"note\">Milliseconds are per image and per caption, towers alone; a query is an image read, decoded, encoded "
                                          "and searched for. MB: 10⁶ bytes. Times: compared with the first row. MACs: an image and a caption of mean length.</p>\n") +
         report::html_section("What it costs, what it keeps", "<div class=\"charts\">\n" + charts + "</div>\n");
}

}  // namespace edgeclip::compress_report
