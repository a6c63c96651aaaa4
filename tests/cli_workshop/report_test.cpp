#include <gtest/gtest.h>

#include <cmath>

#include "cli/workshop/report/html.h"
#include "cli/workshop/report/json_section.h"
#include "cli/workshop/report/run_section.h"
#include "cli/workshop/report/svg_chart.h"
#include "data/image/image.h"
#include "support/support.h"

namespace edgeclip::report {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Html, EscapesEverythingThatCouldBecomeMarkup) {
  EXPECT_EQ(escape_html("<b a=\"1\" c='2'>&"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
  EXPECT_EQ(escape_html("größer €😀"), "größer €😀");
  EXPECT_EQ(escape_html("a\xff"), "a\xef\xbf\xbd");  // U+FFFD
}

TEST(Html, Base64AsInRfc4648) {
  for (const auto& [plain, coded] : std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                                                     {"f", "Zg=="},
                                                                                     {"fo", "Zm8="},
                                                                                     {"foo", "Zm9v"},
                                                                                     {"foob", "Zm9vYg=="},
                                                                                     {"fooba", "Zm9vYmE="},
                                                                                     {"foobar", "Zm9vYmFy"}})
    EXPECT_EQ(base64(plain), coded);
  EXPECT_EQ(base64(std::string("\x00\xff\xfe", 3)), "AP/+");
}

TEST(Html, NumbersAreRightAligned) {
  const std::string html = html_table({{"stage", "R@1", "kind"}, {{"1", "54.2", "a"}, {"2", "—", "7"}}});
  EXPECT_TRUE(has(html, "<td>1</td><td class=\"number\">54.2</td><td>a</td>")) << html;
  EXPECT_TRUE(has(html, "<td class=\"number\">—</td><td>7</td>")) << html;
}

TEST(Html, PicturesAreEmbedded) {
  const test::TempDir dir;
  write_png(dir / "p.png", Image(2, 2));
  EXPECT_TRUE(has(html_image(dir / "p.png", "a <grid>"), "src=\"data:image/png;base64,iVBORw0KGgo"));
  EXPECT_TRUE(has(html_image(dir / "p.png", "a <grid>"), "<figcaption>a &lt;grid&gt;</figcaption>"));
  test::write_text(dir / "no.png", "text");
  EXPECT_TRUE(has(test::invalid_input_of([&] { html_image(dir / "no.png", ""); }), "neither PNG nor JPEG"));
}

TEST(SvgChart, TicksAreRoundAndInside) {
  EXPECT_EQ(round_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  for (const auto& [low, high] :
       std::vector<std::pair<double, double>>{{0.13, 0.97}, {-3, 8000}, {2.1e-5, 2.2e-5}}) {
    const auto ticks = round_ticks(low, high, 5);
    EXPECT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 7u);
    const double slack = (high - low) * 1e-6;
    for (const double v : ticks) EXPECT_TRUE(v >= low - slack && v <= high + slack) << v;
  }
}

TEST(SvgChart, DrawsEverySeriesWithItsName) {
  const std::string svg =
      svg_chart({"Loss & more",
                 "step",
                 "loss",
                 {{"training", {{0, 3}, {10, 1}}, false}, {"validation", {{10, 2}}, true}}});
  for (const char* part : {"Loss &amp; more", ">step<", ">loss<", ">training<", ">validation<", "<circle"})
    EXPECT_TRUE(has(svg, part)) << part;
  EXPECT_FALSE(has(svg, "nan"));
  EXPECT_FALSE(has(svg, "inf"));
}

TEST(SvgChart, LeavesOutWhatIsNotFinite) {
  const std::string svg =
      svg_chart({"t", "x", "y", {{"s", {{0, 1}, {1, NAN}, {2, INFINITY}, {3, 2}}, true}}});
  EXPECT_EQ(count(svg, "<circle"), 2u);
  EXPECT_EQ(svg_chart({"t", "x", "y", {{"s", {{0, NAN}}, false}}}), "");
  EXPECT_EQ(svg_chart({"t", "x", "y", {}}), "");
}

TEST(SvgChart, ThinsLongSeriesButKeepsTheEnd) {
  Series series{"s", {}, false};
  for (int i = 0; i < 100000; ++i) series.points.emplace_back(i, i % 2);
  const std::string svg = svg_chart({"t", "x", "y", {series}});
  EXPECT_LT(svg.size(), 20000u);
}

TEST(RunSection, ShowsLossAndValidation) {
  const test::TempDir dir;
  test::write_text(
      dir / "metrics.jsonl",
      "{\"step\":1,\"loss\":3.5,\"lr\":0.1}\n{\"step\":2,\"loss\":2.5}\n"
      "{\"step\":2,\"val\":{\"loss\":2.75,\"text_to_image\":{\"mAP\":12.5,\"R@1\":4}}}\n{\"step\":3,\"lo");
  const std::string html = run_section(dir.path());
  for (const char* part :
       {"<svg", ">training<", ">validation<", ">mAP<", "12.50 % at step 2", "3.500, 2.500"})
    EXPECT_TRUE(has(html, part)) << part;

  test::write_text(dir / "metrics.jsonl", "{\"step\":1}\nnonsense\n{\"step\":2}\n");
  EXPECT_TRUE(has(test::invalid_input_of([&] { run_section(dir.path()); }), "metrics.jsonl:2"));
  test::write_text(dir / "metrics.jsonl", "");
  EXPECT_TRUE(has(test::invalid_input_of([&] { run_section(dir.path()); }), "holds no step"));
}

TEST(JsonSection, NullIsNotZero) {
  EXPECT_EQ(cell_text(nullptr), "—");
  EXPECT_EQ(cell_text(0), "0");
  EXPECT_EQ(cell_text(0.123456), "0.1235");
  EXPECT_EQ(cell_text(12345.6), "12346");
}

TEST(JsonSection, EvaluationsShareATable) {
  const Json metrics = {{"R@1", 50}, {"R@5", 75.5}, {"R@10", 80}, {"mAP", 60.123}, {"mINP", 40}};
  const Json report = {{"command", "evaluate"},
                       {"queries", 8},
                       {"gallery", 4},
                       {"text_to_image", metrics},
                       {"image_to_text", metrics}};
  const std::string html = evaluate_section({{"fp32.json", report}, {"int8.json", report}});
  EXPECT_EQ(count(html, "<table>"), 1u);
  EXPECT_EQ(count(html, "60.12"), 4u);
  EXPECT_TRUE(has(html, "fp32") && has(html, "int8"));
}

TEST(JsonSection, TablesInThreeForms) {
  const Json objects = Json::parse(R"([{"stage": "fp32", "R@1": 54.2}, {"stage": "<int8>", "MB": 3}])");
  const std::string from_list = table_section({"t.json", objects});
  for (const char* part : {"<h2>t</h2>", ">stage<", ">R@1<", ">MB<", ">54.2<", "&lt;int8&gt;"})
    EXPECT_TRUE(has(from_list, part)) << part;
  EXPECT_TRUE(has(table_section({"t.json", {{"title", "Stages"}, {"rows", objects}, {"note", "made"}}}),
                  "<h2>Stages</h2>"));
  EXPECT_TRUE(
      has(table_section({"t.json", Json::parse(R"({"columns": ["a", "b"], "rows": [[1, null]]})")}), ">—<"));
  EXPECT_TRUE(has(test::invalid_input_of([] {
                    table_section({"t.json", Json::parse(R"({"columns": ["a"], "rows": [[1, 2]]})")});
                  }),
                  "row 0"));
  EXPECT_TRUE(has(test::invalid_input_of([] { table_section({"t.json", Json::parse("[1]")}); }), "row 0"));
}

}  // namespace
}  // namespace edgeclip::report
