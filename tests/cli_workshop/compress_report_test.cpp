#include <gtest/gtest.h>

#include <cmath>

#include "cli/workshop/compress_report/plan.h"
#include "cli/workshop/compress_report/result.h"
#include "cli/workshop/report/svg_scatter.h"
#include "support/support.h"

namespace edgeclip::compress_report {
namespace {

Plan plan_of(const Json& networks, const Json& rows) {
  Plan plan;
  for (const auto& [name, network] : networks.items()) options_from_json(network, plan.networks[name], "networks." + name + ".");
  for (const Json& row : rows) options_from_json(row, plan.rows.emplace_back(), "rows.");
  return plan;
}

std::string refused(const Json& networks, const Json& rows) {
  return test::invalid_input_of([&] { plan_of(networks, rows).validate(""); });
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(CompressPlan, TakesNetworksThatAreMadeFromOthers) {
  const Plan plan = plan_of({{"given", {{"checkpoint", "run/best"}}},
                             {"student", {{"set", {"steps=3"}}, {"teacher", "given"}}},
                             {"pruned", {{"command", "prune"}, {"from", "student"}, {"teacher", "given"}}}},
                            {{{"name", "a"}, {"network", "given"}, {"precision", "fp16"}},
                             {{"name", "b"}, {"network", "pruned"}, {"quantize", "static"}, {"seeds", 3}}});
  EXPECT_NO_THROW(plan.validate(""));
  EXPECT_EQ(plan.rows[0].built_as(), "fp16");
  EXPECT_EQ(plan.rows[1].built_as(), "int8");
}

TEST(CompressPlan, RefusesWhatCannotBeMade) {
  const Json row = {{{"name", "a"}, {"network", "x"}}};
  EXPECT_TRUE(has(refused({{"x", Json::object()}}, Json::array()), "rows: there are none"));
  EXPECT_TRUE(has(refused({{"xy", Json::object()}}, row), "rows.0.network: \"x\" is no network"));
  EXPECT_TRUE(has(refused({{"x", {{"command", "prune"}}}}, row), "networks.x: prune cuts another network"));
  EXPECT_TRUE(has(refused({{"x", {{"teacher", "y"}}}}, row), "networks.x: \"y\" is no network"));
  EXPECT_TRUE(has(refused({{"x", {{"teacher", "x"}}}}, row), "networks.x: is made from itself"));
  EXPECT_TRUE(has(refused({{"x", {{"from", "y"}}}, {"y", {{"teacher", "x"}}}}, row), "is made from itself"));
  EXPECT_TRUE(has(refused({{"x", {{"checkpoint", "c"}, {"set", {"steps=1"}}}}}, row), "networks.x: has a checkpoint"));
  EXPECT_TRUE(has(refused({{"x", {{"command", "cut"}}}}, row), "command"));
}

TEST(CompressPlan, RefusesRowsThatContradictThemselves) {
  const auto row = [](const Json& more) {
    Json whole = {{"name", "a"}, {"network", "x"}};
    whole.update(more);
    return refused({{"x", {{"checkpoint", "c"}}}}, Json::array({whole}));
  };
  EXPECT_TRUE(has(row({{"seeds", 2}}), "rows.0.seeds: x is a given checkpoint"));
  EXPECT_TRUE(has(row({{"seeds", 0}}), "rows.0.seeds: 0 is not within"));
  EXPECT_TRUE(has(row({{"quantize", "static"}, {"precision", "fp16"}}), "rows.0.precision: a quantized bundle is built as int8"));
  EXPECT_TRUE(has(row({{"quantize_set", {"samples=4"}}}), "rows.0.quantize_set: nothing is quantized"));
  EXPECT_TRUE(has(row({{"precision", "int4"}}), "rows.0.precision: int4 is none of"));
  EXPECT_TRUE(has(row({{"name", ""}}), "rows.0.name: is empty"));
  EXPECT_TRUE(has(row({{"token_budget", 1.5}}), "rows.0.token_budget: 1.5 is no part of the image tower's"));
  EXPECT_TRUE(has(row({{"token_budget", 0.5}, {"token_merging", {4}}}), "rows.0.token_budget: rows.0.token_merging says how many"));
  EXPECT_NO_THROW(plan_of({{"x", {{"checkpoint", "c"}}}}, {{{"name", "a"}, {"network", "x"}, {"token_budget", 0.5}}}).validate(""));
  EXPECT_TRUE(has(refused({{"x", Json::object()}}, {{{"name", "a"}, {"network", "x"}}, {{"name", "a"}, {"network", "x"}}}),
                  "rows.1.name: \"a\" is another row's too"));
}

/// Another value in each place, so that none can stand in for another.
Json evaluated(double r1) {
  Json report;
  double more = 0;
  for (const char* direction : {"text_to_image", "image_to_text"})
    for (const char* name : {"R@1", "R@5", "R@10", "mAP"}) report[direction][name] = r1 + 20 * more++;
  return report;
}

Json benched(double ms) {
  Json towers;
  for (const char* batch : {"1", "4", "8"}) towers[batch] = {{"image", ms}, {"text", 2 * ms}};
  return {{"towers", towers}, {"latency_ms", {{"median", 3 * ms}}}, {"rss_mb", {{"peak", 100}}}, {"model_mb", 1.0}};
}

RowReports reports_of(const std::string& name, const std::vector<double>& r1, const std::vector<double>& ms) {
  RowReports reports{name, "net", "fp32", {}, {}, {}, {}, 2'000'000};
  for (const double v : r1) reports.evaluated.push_back(evaluated(v));
  for (const double v : ms) reports.benched.push_back(benched(v));
  reports.verified = {{"passed", true}, {"cases", {{{"cosine", 1.0}}, {{"cosine", 0.5}}}}};
  reports.profiled = {{"macs", {{"image", 3e6}, {"text", 1e6}}}, {"parameters", {{"total", 7}}}};
  return reports;
}

TEST(CompressResult, IsTheMeanOfSeedsAndTheMedianOfRounds) {
  const Json row = row_result(reports_of("a", {10, 12, 17}, {4, 100, 5}));
  EXPECT_DOUBLE_EQ(row["text_to_image"]["R@1"]["mean"], 13);
  EXPECT_NEAR(row["text_to_image"]["R@1"]["std"], 3.6055512754639896, 1e-12);  // numpy.std(ddof=1)
  EXPECT_DOUBLE_EQ(row["text_to_image"]["mAP"]["mean"], 13 + 60);
  EXPECT_DOUBLE_EQ(row["image_to_text"]["R@5"]["mean"], 13 + 100);
  EXPECT_EQ(row["image_ms"]["8"], 5);
  EXPECT_EQ(row["text_ms"]["1"], 10);
  EXPECT_EQ(row["query_ms"], 15);
  EXPECT_DOUBLE_EQ(row["onnx_mb"], 2);
  EXPECT_DOUBLE_EQ(row["plan_mb"], 1.048576);
  EXPECT_DOUBLE_EQ(row["macs"], 4e6);
  EXPECT_DOUBLE_EQ(row["verify"]["cosine"], 0.5);
  EXPECT_TRUE(row_result(reports_of("a", {10}, {4, 6}))["text_to_image"]["R@1"]["std"].is_null());
  EXPECT_EQ(row_result(reports_of("a", {10}, {4, 6}))["image_ms"]["1"], 5);
}

TEST(CompressResult, IsShownAsTablesAndPlots) {
  const std::vector<Json> rows = {row_result(reports_of("all <of> it", {10, 12}, {4})), row_result(reports_of("half", {9}, {1.6}))};
  const std::string page = result_page(rows, "why & what"), text = result_text(rows);
  EXPECT_TRUE(has(page, "why &amp; what"));
  EXPECT_TRUE(has(page, "all &lt;of&gt; it"));
  const std::size_t first = page.find("11.00 ± 1.41"), other = page.find("91.00 ± 1.41");  // R@1 of the two directions
  EXPECT_NE(first, std::string::npos);
  EXPECT_NE(other, std::string::npos);
  EXPECT_LT(first, other);
  EXPECT_TRUE(has(page, "stroke-dasharray"));
  EXPECT_TRUE(has(page, ">2.50<"));  // times as fast
  EXPECT_TRUE(has(text, "half"));
}

TEST(ParetoFront, HasWhatNothingBeats) {
  using report::pareto_front;
  EXPECT_EQ(pareto_front({{"", 3, 5}, {"", 1, 2}, {"", 2, 2}, {"", 2, 4}, {"", 4, 5}}), (std::vector<std::size_t>{1, 3, 0}));
  EXPECT_EQ(pareto_front({{"", 1, 1}, {"", 1, 1}, {"", std::nan(""), 9}}), (std::vector<std::size_t>{0}));
  EXPECT_TRUE(pareto_front({}).empty());
}

}  // namespace
}  // namespace edgeclip::compress_report
