#include "cli/runtime/report/deployment_table.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace edgeclip::report {
namespace {

Json precision(const std::string& plan, const std::string& name, double qps) {
  return {{"precision", name},
          {"batch", 1},
          {"total_queries", 1000},
          {"avg_qps", qps},
          {"latency_ms", {{"p10", 1.0}, {"median", 2.0}, {"p90", 3.0}, {"p99", 4.5}}},
          {"gpu_percent", nullptr},
          {"power_w", {{"avg", 20.25}, {"peak", 31.0}}},
          {"model_mb", 12.345},
          {"text", {{"total_queries", 1000}, {"avg_qps", 10 * qps}}},
          {"plan", plan}};
}

Json two_precisions() {
  Json report = precision("out/plan", "fp32", 50);
  report["command"] = "bench";
  report["data"] = "out/camera";
  report["precisions"] = {precision("out/plan", "fp32", 50), precision("out/plan-int8", "int8", 150)};
  return report;
}

std::vector<std::string> row_of(const Table& table, const std::string& label) {
  for (const auto& row : table.rows)
    if (row.front() == label) return row;
  return {};
}

TEST(DeploymentTable, HasAColumnForEachPrecision) {
  const auto each = each_precision({"bench.json", two_precisions()});
  ASSERT_EQ(each.size(), 2u);
  EXPECT_EQ(each[1].second["precision"], "int8");
  EXPECT_EQ(each[1].second["data"], "out/camera") << "what they were measured on is that of the whole";
  EXPECT_EQ(plan_names(each), (std::vector<std::string>{"plan", "plan-int8"}));
  const Table table = deployment_table(each, plan_names(each));
  EXPECT_EQ(table.columns, (std::vector<std::string>{"measure", "plan", "plan-int8"}));
  EXPECT_EQ(row_of(table, "precision"), (std::vector<std::string>{"precision", "fp32", "int8"}));
  EXPECT_EQ(row_of(table, "queries per second"), (std::vector<std::string>{"queries per second", "50.00", "150.00"}));
  EXPECT_EQ(row_of(table, "texts: queries per second"), (std::vector<std::string>{"texts: queries per second", "500.00", "1500.00"}));
  EXPECT_EQ(row_of(table, "total queries"), (std::vector<std::string>{"total queries", "1000", "1000"}));
  EXPECT_EQ(row_of(table, "power average, W"), (std::vector<std::string>{"power average, W", "20.2", "20.2"}));
  EXPECT_EQ(row_of(table, "GPU peak, %"), (std::vector<std::string>{"GPU peak, %", "—", "—"})) << "null is no zero";
  EXPECT_TRUE(row_of(table, "total time, s").empty()) << "no report says";
}

TEST(DeploymentTable, PlansOfOneNameAreToldApartByTheirPaths) {
  const std::vector<NamedReport> reports = {{"", precision("a/plan", "fp32", 1)}, {"", precision("b/plan/", "fp32", 1)}, {"", precision("c", "int8", 1)}};
  EXPECT_EQ(plan_names(reports), (std::vector<std::string>{"a/plan", "b/plan/", "c"}));
}

TEST(DeploymentTable, AReportOfOnePlanOrOfAnEarlierVersionIsItself) {
  Json report = precision("out/plan", "fp32", 50);
  report["towers"] = {{"1", {{"image", 1.5}, {"text", 0.25}}}, {"4", {{"image", 1.0}, {"text", 0.125}}}};
  const auto each = each_precision({"bench.json", report});
  ASSERT_EQ(each.size(), 1u);
  const Table table = deployment_table(each, plan_names(each));
  EXPECT_EQ(row_of(table, "image tower, batch 4, ms each"), (std::vector<std::string>{"image tower, batch 4, ms each", "1.000"}));
}

TEST(DeploymentTable, AsTextHasColumnsOfEqualWidth) {
  const std::string text = text_table({{"measure", "a", "b"}, {{"größe", "1.5", "—"}, {"x", "12345678901234567", "2"}}});
  std::vector<std::size_t> widths;
  std::size_t width = 0;
  for (const char c : text) {
    if (c == '\n') {
      widths.push_back(width);
      width = 0;
    } else if ((c & 0xC0) != 0x80) {
      ++width;
    }
  }
  EXPECT_EQ(widths.size(), 3u);
  EXPECT_EQ(std::count(widths.begin(), widths.end(), widths.front()), 3) << text;
  EXPECT_EQ(text_table({{"measure", "value"}, {{"x", "1"}}}), "x                            1\n") << "one column needs no head";
}

TEST(DeploymentTable, AsMarkdownKeepsItsCellsApart) {
  EXPECT_EQ(markdown_table({{"measure", "a|b"}, {{"two\nlines", "1"}}}), "| measure | a\\|b |\n|---|---:|\n| two  lines | 1 |\n");
  const std::string text = deployment_markdown(two_precisions(), "Measured by a test");
  EXPECT_EQ(text.rfind("<!-- report of edgeclip -->\n# Deployment, images of camera\n", 0), 0u) << text;
  for (const char* part : {"| measure | plan | plan-int8 |", "| queries per second | 50.00 | 150.00 |", "\nMeasured by a test\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
  EXPECT_EQ(text.find("Soak"), std::string::npos);
}

TEST(DeploymentTable, PageIsOfItself) {
  Json report = two_precisions();
  report["plan"] = report["precisions"][0]["plan"] = "out/a<b";
  report["soak"] = {{"minutes", 30.0}, {"errors", 0}, {"first_error", nullptr}, {"memory_slope_mb_per_hour", 0.0625}};
  const std::string page = deployment_page(report, "Measured by a test");
  for (const char* part : {"<th class=\"number\">a&lt;b</th>", ">150.00<", "<h2>Soak</h2>", ">0.062<", "Measured by a test"})
    EXPECT_NE(page.find(part), std::string::npos) << part << "\n" << page;
  for (const char* outside : {"http://", "https://", "<script", "<link"}) EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

}  // namespace
}  // namespace edgeclip::report
