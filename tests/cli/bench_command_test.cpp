// `bench` as a whole, on the tiny model of tests/golden.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "builder/build_plan.h"
#include "cli/command_line.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

class BenchCommands : public testing::Test {
 protected:
  static std::string golden(const std::string& name) { return test::golden("formats/v1/" + name).string(); }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  std::string plan(const std::string& name, const std::string& precision) const {
    builder::BuildOptions options;
    options.bundle = golden("bundle");
    options.precision = precision;
    options.out = at(name);
    builder::build_plan(options);
    return at(name);
  }
  Json report_of(std::vector<std::string> args) const {
    args.insert(args.begin(), "bench");
    args.insert(args.end(), {"--data", golden("dataset"), "--json", at("report.json"), "--quiet"});
    const test::Outcome outcome = test::run_edge(args);
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
    return read_json(at("report.json"));
  }
  test::TempDir dir_;
};

TEST_F(BenchCommands, SeveralPlansSideBySide) {
  const std::string one = plan("plan", "fp32"), other = plan("plan-int8", "int8");
  const Json report = report_of({"--plan", one, "--plan", other, "--queries", "6", "--blocks", "2", "--towers", "--markdown", at("t.md"),
                                 "--html", at("t.html")});
  EXPECT_EQ(report["plan"], one);
  EXPECT_EQ(report["precision"], "fp32") << "the keys of one plan are those of the first";
  ASSERT_EQ(report["precisions"].size(), 2u);
  const Json &first = report["precisions"][0], &second = report["precisions"][1];
  for (const auto& [key, value] : first.items()) EXPECT_EQ(report[key], value) << key;
  EXPECT_EQ(second["precision"], "int8");
  EXPECT_EQ(second["plan"], other);
  for (const Json& each : {first, second}) {
    EXPECT_EQ(each["total_queries"], 6);
    EXPECT_EQ(each["text"]["total_queries"], 6);
    EXPECT_GT(each["towers"]["1"]["image"].get<double>(), 0);
    const Json& cold = each["cold_start_ms"];
    EXPECT_GT(cold["open"].get<double>(), 0);
    EXPECT_GT(cold["image"].get<double>(), cold["open"].get<double>());
    EXPECT_GT(cold["text"].get<double>(), cold["open"].get<double>());
    EXPECT_GT(each["anonymous_mb"]["peak"].get<double>(), 0);
  }
  EXPECT_LT(second["model_mb"], first["model_mb"]);
  EXPECT_NE(read_file(at("t.md")).find("| measure | plan | plan-int8 |"), std::string::npos);
  EXPECT_NE(read_file(at("t.html")).find("plan-int8</th>"), std::string::npos);
}

TEST_F(BenchCommands, OnePlanByItsNameAlone) {
  const std::string name = plan("plan", "fp32");
  test::write_text(at("c.json"), Json{{"plan", name}, {"queries", 2}}.dump());
  EXPECT_EQ(report_of({"--config", at("c.json")})["precisions"].size(), 1u);
  EXPECT_EQ(report_of({"--set", "plan=" + name, "--queries", "2"})["plan"], name);
}

TEST_F(BenchCommands, ASoakThatAppends) {
  const Json report = report_of({"--plan", plan("plan", "fp32"), "--queries", "2", "--soak", "0.01", "--soak-append"});
  const Json& soak = report["soak"];
  EXPECT_EQ(soak["errors"], 0) << soak;
  EXPECT_GT(soak["image_queries"], 0);
  EXPECT_GT(soak["appended"], 0);
  EXPECT_GT(soak["generations_read"], 0);
  EXPECT_TRUE(soak.contains("memory_slope_mb_per_hour")) << soak;
}

TEST_F(BenchCommands, RefusesWhatHasNoEffectOrWouldTakeSomething) {
  test::write_text(at("mine.md"), "# my notes\n");
  test::expect_refused({"bench", "--plan", "p", "--data", golden("dataset"), "--soak-append"}, {"--soak MINUTES"});
  test::expect_refused({"bench", "--plan", "p", "--plan", "q", "--data", golden("dataset"), "--soak", "1"}, {"soak", "one --plan"});
  test::expect_refused({"bench", "--plan", "p", "--data", golden("dataset"), "--markdown", at("mine.md")}, {"mine.md", "is not replaced"});
  test::expect_refused({"bench", "--plan", "p", "--data", golden("dataset"), "--blocks", "-1"}, {"blocks"});
}

}  // namespace
}  // namespace edgeclip
