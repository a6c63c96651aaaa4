#include <gtest/gtest.h>

#include <cmath>

#include "cli/workshop/report/json_section.h"
#include "cli/workshop/report/svg_scatter.h"
#include "cli/workshop/report/tradeoff.h"
#include "support/support.h"

namespace edgeclip::report {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(PlaceLabels, NoneLiesOnAnotherOrOnAPoint) {
  const Box frame{0, 0, 400, 220};
  constexpr double kRadius = 4;
  std::vector<LabelledPoint> points;
  for (int i = 0; i < 12; ++i)  // a crowd, a pair on one spot, corners
    points.push_back({200 + 9 * std::cos(i), 100 + 7 * std::sin(3 * i), 60, 13});
  for (const auto& [x, y] :
       std::vector<std::pair<double, double>>{{50, 50}, {50, 50}, {4, 4}, {396, 4}, {4, 216}, {396, 216}})
    points.push_back({x, y, 60, 13});
  const auto places = place_labels(points, kRadius, frame);
  ASSERT_EQ(places.size(), points.size());
  int placed = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!places[i]) continue;
    ++placed;
    EXPECT_TRUE(frame.holds(*places[i])) << i;
    for (std::size_t k = 0; k < points.size(); ++k) {
      EXPECT_FALSE(
          places[i]->overlaps({points[k].x - kRadius, points[k].y - kRadius, 2 * kRadius, 2 * kRadius}));
      if (k == i || !places[k]) continue;
      EXPECT_FALSE(places[i]->overlaps(*places[k])) << i << " and " << k;
    }
  }
  EXPECT_GE(placed, 16);
  EXPECT_FALSE(place_labels({{50, 50, 500, 13}}, kRadius, frame)[0]) << "wider than the frame";
}

TEST(SvgScatter, ShowsLabelsAxesAndSeries) {
  const std::string svg = svg_scatter({"Cost & gain",
                                       "ms",
                                       "mAP",
                                       "up is better",
                                       {{"drawn", {{"fp32", 0.3, 37}, {"<int8>", 0.2, 36}, {"no", NAN, 3}}},
                                        {"camera", {{"fp32", 0.3, 71}}},
                                        {"empty", {}}}});
  for (const char* part :
       {"Cost &amp; gain", ">ms<", ">mAP<", ">drawn<", ">camera<", ">fp32<", ">&lt;int8&gt;<",
        "<figcaption>up is better<", "role=\"img\"", "drawn fp32 (0.3, 37)"})
    EXPECT_TRUE(has(svg, part)) << part << "\n" << svg;
  EXPECT_EQ(count(svg, "<circle"), 2u);
  EXPECT_EQ(count(svg, "width=\"8\""), 1u) << "another shape for the other series";
  for (const char* part : {">no<", ">empty<", "nan", "inf"}) EXPECT_FALSE(has(svg, part)) << part;
  EXPECT_EQ(svg_scatter({"t", "x", "y", "", {{"s", {{"a", NAN, 1}}}}}), "");
  EXPECT_TRUE(has(svg_scatter({"t", "x", "y", "", {{"", {{"a", 0, 5}}}}}), ">a<"))
      << "one point, at the origin";
  EXPECT_TRUE(has(svg_scatter({"t", "x", "y", "", {{"", {{"a", 1, 70.1}, {"b", 2, 70.2}}}}}), ">72<"))
      << "next to no difference does not fill the frame";
}

NamedReport evaluation(const std::string& encoder, const std::string& data, double map, double ms) {
  return {"e.json",
          {{"command", "evaluate"},
           {"encoder", encoder},
           {"data", data},
           {"image_ms", ms},
           {"text_to_image", {{"mAP", map}}}}};
}

TEST(Tradeoff, EvaluationsShowAccuracyAgainstTime) {
  const std::string html = evaluate_section(
      {evaluation("out/plan-fp32", "d", 36.92, 0.291), evaluation("out/plan-int8", "d", 36.85, 0.174)});
  EXPECT_EQ(count(html, "<svg"), 1u);
  for (const char* part : {"plan-fp32 (0.291, 36.92)", "plan-int8 (0.174, 36.85)", "ms per image"})
    EXPECT_TRUE(has(html, part)) << part;
  EXPECT_FALSE(has(evaluate_section({evaluation("a", "d", 30, 1)}), "<svg")) << "one point compares nothing";
}

TEST(Tradeoff, DeploymentJoinsBenchAndEvaluationOfAPlan) {
  const NamedReport bench{"b.json",
                          {{"command", "bench"},
                           {"plan", "out/plan-int8"},
                           {"batch", 1},
                           {"latency_ms", {{"median", 1.5}}},
                           {"model_mb", 2.1}}};
  const std::string html = bench_section({bench}, {evaluation("out/plan-int8", "out/camera", 71.3, 0.2),
                                                   evaluation("out/other", "out/camera", 50, 0.2)});
  EXPECT_EQ(count(html, "<svg"), 2u);
  for (const char* part : {"camera plan-int8 (1.5, 71.3)", "camera plan-int8 (2.1, 71.3)"})
    EXPECT_TRUE(has(html, part)) << part;
  EXPECT_FALSE(has(html, "other"));
  EXPECT_FALSE(has(bench_section({bench}), "<svg"));
}

TEST(Tradeoff, ATableAsksForItsCharts) {
  Json table = Json::parse(R"({"title": "Stages", "rows": [
      {"stage": "chance", "MB": null, "R@1": 1}, {"stage": "fp32", "MB": 5.35, "R@1": 20.4},
      {"stage": "int8", "MB": 2.11, "R@1": 20.5}],
    "charts": [{"label": "stage", "x": "MB", "y": ["R@1"], "title": "Accuracy and size"}]})");
  const std::string html = table_section({"t.json", table});
  EXPECT_EQ(count(html, "<circle"), 2u) << "a row without a number is left out";
  for (const char* part : {"Accuracy and size", ">fp32</text>", ">int8</text>", ">MB</text>", ">R@1</text>"})
    EXPECT_TRUE(has(html, part)) << part;
  const auto refused = [&](const std::string& pointer, const Json& value) {
    Json bad = table;
    bad[Json::json_pointer(pointer)] = value;
    return test::invalid_input_of([&] { table_section({"t.json", bad}); });
  };
  EXPECT_EQ(refused("/charts/0/x", "GB"), "t.json: charts: 0: x: \"GB\" is no column of the table");
  EXPECT_TRUE(has(refused("/charts/0/y", Json::array({"mAP"})), "y: \"mAP\" is no column"));
  EXPECT_TRUE(has(refused("/charts/0", 3), "label: null is no column"));
  EXPECT_TRUE(has(refused("/charts", 3), "t.json: charts: expected a list"));
}

}  // namespace
}  // namespace edgeclip::report
