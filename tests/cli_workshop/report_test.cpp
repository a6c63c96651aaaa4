#include <gtest/gtest.h>

#include <cmath>

#include "cli/runtime/report/html.h"
#include "cli/workshop/report/example_section.h"
#include "cli/workshop/report/json_section.h"
#include "cli/workshop/report/picture_section.h"
#include "cli/workshop/report/run_section.h"
#include "cli/workshop/report/svg_axes.h"
#include "cli/workshop/report/svg_chart.h"
#include "data/image/codecs.h"
#include "data/image/png_text.h"
#include "retrieval/search/image_grid.h"
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
  const std::string html = picture_section(dir / "p.png");
  for (const char* part : {"src=\"data:image/png;base64,iVBORw0KGgo", "<h2>p</h2>", "alt=\"p.png\"",
                           "<figcaption>p.png</figcaption>"})
    EXPECT_TRUE(has(html, part)) << part;
  test::write_text(dir / "no.png", "text");
  EXPECT_TRUE(has(test::invalid_input_of([&] { picture_section(dir / "no.png"); }),
                  "no.png: is neither PNG nor JPEG"));
}

TEST(Html, APictureIsTitledByWhatItSaysOfItself) {
  const test::TempDir dir;
  write_grid(dir / "search-1.png", "a <red> coat", "10 of 81 images of gallery", {});
  const std::string grid = picture_section(dir / "search-1.png");
  for (const char* part : {"<h2>Search: “a &lt;red&gt; coat”</h2>", "found for “a &lt;red&gt; coat”",
                           "<figcaption>10 of 81 images of gallery</figcaption>"})
    EXPECT_TRUE(has(grid, part)) << part;
  test::write_text(dir / "other.png", with_png_text(encode_png(Image(2, 2)), {{"Title", "A plot"}}));
  EXPECT_TRUE(has(picture_section(dir / "other.png"), "<h2>A plot</h2>"));
}

TEST(Html, TablesWithoutNamesOfColumnsHaveNoHead) {
  EXPECT_FALSE(has(html_table({{"", ""}, {{"last step", "10"}}}), "<th"));
  EXPECT_TRUE(has(html_table({{"", "fp32"}, {{"batch", "1"}}}), "<thead>"));
}

TEST(Html, WideTablesScrollWithinThePage) {
  const std::string page = html_page("t", html_table({{"a"}, {{"1"}}}), "");
  EXPECT_TRUE(has(page, "<div class=\"scroll\" tabindex=\"0\"><table"));
  EXPECT_TRUE(has(page, ".scroll { overflow-x: auto;"));
  EXPECT_TRUE(has(page, "@media print"));
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
  const std::string html = run_section(read_run(dir.path()));
  for (const char* part :
       {"<svg", ">training<", ">validation<", ">mAP<", "12.50 % at step 2", "3.500, 2.500"})
    EXPECT_TRUE(has(html, part)) << part;

  test::write_text(dir / "metrics.jsonl", "{\"step\":1}\nnonsense\n{\"step\":2}\n");
  EXPECT_TRUE(has(test::invalid_input_of([&] { run_section(read_run(dir.path())); }), "metrics.jsonl:2"));
  test::write_text(dir / "metrics.jsonl", "");
  EXPECT_TRUE(has(test::invalid_input_of([&] { run_section(read_run(dir.path())); }), "holds no step"));
}

TEST(RunSection, IsTitledByRunAndDataset) {
  const test::TempDir dir;
  std::filesystem::create_directory(dir / "adapt");
  test::write_text(dir / "adapt/metrics.jsonl", "{\"step\":1,\"loss\":3.5}\n");
  EXPECT_TRUE(has(run_section(read_run(dir / "adapt")), "<h2>Training: adapt</h2>"));
  test::write_text(dir / "adapt/run.json", R"({"data": "out/camera", "init": "out/pretrain/best"})");
  EXPECT_TRUE(has(run_section(read_run(dir / "adapt/")), "<h2>Training: adapt on camera, from pretrain</h2>"));
}

TEST(RunSection, ShowsPartsRateAndGradients) {
  const test::TempDir dir;
  test::write_text(dir / "metrics.jsonl",
                   R"({"step":1,"loss":3,"lr":0.1,"grad_norm":2,"losses":{"contrastive":2,"<sdm>":1}})"
                   "\n"
                   R"({"step":2,"skipped":"why"})"
                   "\n");
  test::write_text(dir / "run.json", R"({"version": "1.2", "options": {"batch": 4}, "arithmetic": {"cpu": "A & B"}})");
  const std::string html = run_section(read_run(dir.path()));
  for (const char* part : {">Learning rate<", ">Norm of the gradient<", ">contrastive<", ">&lt;sdm&gt;<",
                           "<td>batch</td><td class=\"number\">4</td>", "A &amp; B"})
    EXPECT_TRUE(has(html, part)) << part;
  EXPECT_EQ(count(html, "<svg"), 4u) << "no chart of a validation that was not there";
  EXPECT_EQ(comparison_section({read_run(dir.path())}), "");
}

TEST(RunSection, SeveralRunsStandSideBySide) {
  const test::TempDir dir;
  std::vector<RunData> runs;
  for (const auto& [name, lr] : {std::pair<const char*, const char*>{"first", "0.1"}, {"se<cond", "0.2"}}) {
    std::filesystem::create_directory(dir / name);
    test::write_text(dir / (std::string(name) + "/metrics.jsonl"), "{\"step\":1,\"loss\":3}\n{\"step\":2,\"loss\":1}\n");
    test::write_text(dir / (std::string(name) + "/run.json"),
                     std::string(R"({"options": {"batch": 4, "optimizer": {"lr": )") + lr + "}}}");
    runs.push_back(read_run(dir / name));
  }
  const std::string html = comparison_section(runs);
  EXPECT_EQ(count(html, "<svg"), 1u);
  EXPECT_EQ(count(html, "class=\"curve "), 2u);
  EXPECT_TRUE(has(html, "class=\"curve s1\"")) << html;
  EXPECT_TRUE(has(html, "<tr class=\"marked\"><td>optimizer.lr</td><td class=\"number\">0.1</td><td "
                        "class=\"number\">0.2</td>"))
      << html;
  EXPECT_TRUE(has(html, "<tr><td>batch</td>")) << html;
  EXPECT_TRUE(has(html, "se&lt;cond"));
  EXPECT_FALSE(has(html, "se<cond"));
}

TEST(Examples, AreFramedByWhetherTheyAreRight) {
  const test::TempDir dir;
  write_png(dir / "small.png", Image(20, 40));
  Image large(400, 800);
  for (std::size_t i = 0; i < large.rgb.size(); ++i) large.rgb[i] = static_cast<std::uint8_t>(i * i % 251);  // no small file
  write_png(dir / "large.png", large);
  const Json examples = Json::array(
      {{{"caption", "a <red> coat"},
        {"id", 7},
        {"first_right", 2},
        {"results",
         {{{"rank", 1}, {"path", (dir / "large.png").string()}, {"score", 0.5}, {"right", false}},
          {{"rank", 2}, {"path", (dir / "small.png").string()}, {"score", 0.25}, {"right", true}},
          {{"rank", 3}, {"path", (dir / "gone.png").string()}, {"score", 0.125}, {"right", false}}}}}});
  const std::string html = example_pictures(examples, "e.json");
  for (const char* part : {"“a &lt;red&gt; coat”", "first right at rank 2", "<figure class=\"wrong\"><img src=\"data:image/png",
                           "<figure class=\"right\"><img src=\"data:image/png", "✓ right · 0.25", "image missing",
                           "1 images cannot be read"})
    EXPECT_TRUE(has(html, part)) << part;
  EXPECT_LT(html.size(), 80u * 160u * 3u * 3u) << "the large one is shrunk";
  EXPECT_TRUE(has(test::invalid_input_of([] { example_pictures(Json(1), "e.json"); }), "e.json: examples"));
  EXPECT_EQ(example_pictures(Json::array(), "e.json"), "");
}

TEST(Page, NeedsNothingFromOutsideAndFollowsTheReadersLight) {
  const std::string page = html_page("t", svg_chart({"c", "x", "y", {{"s", {{0, 1}, {1, 2}}, true}}}), "");
  for (const char* part : {"<script", "http:", "https:", "@import", "url("}) EXPECT_FALSE(has(page, part)) << part;
  EXPECT_TRUE(has(page, "prefers-color-scheme: dark"));
  EXPECT_TRUE(has(page, "class=\"curve s0\""));
}

TEST(SvgChart, StaysWithinItsFrame) {
  Chart chart{"t", "x", "y", {}};
  for (int run = 0; run < 4; ++run)
    chart.series.push_back({"a_run_with_a_rather_long_name_" + std::to_string(run), {{0, run}, {100, 3 - run}}, true});
  const std::string svg = svg_chart(chart);
  for (const char* attribute : {" cx=\"", " x=\"", " x1=\"", " x2=\""})
    for (std::size_t at = 0; (at = svg.find(attribute, at)) != std::string::npos; ++at) {
      const double x = std::stod(svg.substr(at + std::string(attribute).size()));
      EXPECT_GE(x, 0) << attribute;
      EXPECT_LE(x, Axes::kWidth) << attribute;
    }
  EXPECT_EQ(count(svg, "…</text>"), 4u) << "long names are cut";
  EXPECT_EQ(count(svg_chart({"t", "x", "y", {{"short", {{0, 1}}, true}}}), "…"), 0u);
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
  EXPECT_EQ(count(html, "<table"), 1u);
  EXPECT_EQ(count(html, "60.12"), 4u);
  EXPECT_TRUE(has(html, "fp32") && has(html, "int8"));
}

TEST(JsonSection, ReportsAreNamedByModelAndDataset) {
  EXPECT_EQ(artifact_name("out/plan-int8/"), "plan-int8");
  EXPECT_EQ(artifact_name("out/adapt/best"), "adapt");
  EXPECT_EQ(artifact_name("out/adapt/final/"), "adapt");
  EXPECT_EQ(artifact_name("best"), "best");
  EXPECT_EQ(artifact_name("plan/."), "plan");
  const Json camera = {{"command", "evaluate"}, {"encoder", "out/adapt/best"},
                       {"data", "out/camera"},  {"split", "test"},
                       {"people", "unseen"},    {"text_to_image", {{"mAP", 60}}}};
  Json drawn = camera;
  drawn["data"] = "out/synthetic/";
  drawn["people"] = "all";
  drawn["split"] = "val";
  const std::string one = evaluate_section({{"a.json", camera}}),
                    two = evaluate_section({{"a.json", camera}, {"b.json", drawn}});
  EXPECT_TRUE(has(one, "<h2>Retrieval on camera, unseen people</h2>")) << one;
  EXPECT_TRUE(has(one, "<td>adapt</td>")) << one;
  EXPECT_TRUE(has(two, "<h2>Retrieval</h2>")) << two;
  for (const char* part : {">camera, unseen people<", ">synthetic val<"}) EXPECT_TRUE(has(two, part)) << part;

  const Json bench = {{"command", "bench"}, {"plan", "out/plan-int8"}, {"data", "out/camera"}};
  const std::string benches = bench_section({{"bench-1.json", bench}, {"bench-2.json", bench}});
  for (const char* part :
       {"<h2>Deployment, images of camera</h2>", ">plan-int8 (bench-1)<", ">plan-int8 (bench-2)<"})
    EXPECT_TRUE(has(benches, part)) << benches;
  EXPECT_TRUE(
      has(other_section({"v.json", {{"command", "verify"}, {"plan", "out/plan-int8"}, {"bundle", "b/"}}}),
          "<h2>Verify: plan-int8, b</h2>"));
  EXPECT_TRUE(has(other_section({"v.json", {{"command", "profile"}}}), "<h2>Profile: v</h2>"));
}

TEST(JsonSection, ASearchIsATablePerQuery) {
  const Json report =
      Json::parse(R"({"command": "search", "plan": "p", "gallery": "out/g", "images": 81, "queries": [
      {"query": "a <red> coat", "results": [{"rank": 1, "score": 0.5, "path": "a.jpg", "id": null, "caption": null}]},
      {"query": "a hat", "results": []}]})");
  const std::string html = search_section({"s.json", report});
  for (const char* part :
       {"<h2>Search: “a &lt;red&gt; coat”</h2>", "<h2>Search: “a hat”</h2>", ">a.jpg<", "81 images of g"})
    EXPECT_TRUE(has(html, part)) << part;
  EXPECT_TRUE(has(test::invalid_input_of([] {
                    search_section({"s.json", {{"queries", 1}}});
                  }),
                  "s.json: queries"));
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
