// evaluate through the command line: what it writes beside the report, and the comparison of two models.
#include <filesystem>

#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"
#include "builder/build_plan.h"
#include "cli/command_line.h"
#include "data/dataset/dataset.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::expect_refused;
using test::run_edge;

class EvaluateCommand : public testing::Test {
 protected:
  EvaluateCommand() {
    builder::BuildOptions plan;
    plan.bundle = test::golden("formats/v1/bundle").string();
    plan.out = at("plan");
    builder::build_plan(plan);
  }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  std::string data() const { return test::golden("formats/v1/dataset").string(); }
  std::vector<std::string> command(std::vector<std::string> more) const {
    std::vector<std::string> args = {"evaluate", "--plan", at("plan"), "--data", data(), "--quiet"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  Json report_of(std::vector<std::string> more) {
    more.insert(more.end(), {"--json", at("report.json")});
    const auto outcome = run_edge(command(more));
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
    out_ = outcome.out;
    err_ = outcome.err;
    return read_json(at("report.json"));
  }

  test::TempDir dir_;
  std::string out_, err_;
};

TEST_F(EvaluateCommand, SaysHowSureItIs) {
  const Json report = report_of({});
  EXPECT_NE(out_.find("95 % bootstrap intervals, 1000 resamplings"), std::string::npos) << out_;
  const Json& intervals = report["confidence_intervals"];
  EXPECT_EQ(intervals["resamples"], 1000);
  for (const char* direction : {"text_to_image", "image_to_text"})
    for (const char* name : {"R@1", "R@5", "R@10", "mAP", "mINP"}) {
      const auto value = report[direction][name].get<double>();
      EXPECT_LE(intervals[direction][name][0].get<double>(), value + 1e-9);
      EXPECT_GE(intervals[direction][name][1].get<double>(), value - 1e-9);
    }
  const Json without = report_of({"--bootstrap", "0"});
  EXPECT_FALSE(without.contains("confidence_intervals"));
  EXPECT_EQ(without["text_to_image"], report["text_to_image"]);
  EXPECT_EQ(out_.find("from"), std::string::npos) << out_;
}

TEST_F(EvaluateCommand, ComparesWithAPlanAndWithATableOfQueries) {
  EXPECT_EQ(run_edge({"build", "--quiet", "--bundle", test::golden("formats/v1/bundle-int8").string(),
                      "--precision", "int8", "--out", at("plan8")})
                .code,
            kDone);
  const Json first = report_of({"--csv", at("q.csv")});
  const auto outcome = run_edge({"evaluate", "--quiet", "--plan", at("plan8"), "--data", data(), "--against",
                                 at("plan"), "--json", at("plan.json")});
  EXPECT_EQ(outcome.code, kDone) << outcome.err;
  EXPECT_NE(outcome.out.find("against " + at("plan")), std::string::npos) << outcome.out;
  EXPECT_EQ(run_edge({"evaluate", "--quiet", "--plan", at("plan8"), "--data", data(), "--against",
                      at("q.csv"), "--json", at("csv.json")})
                .code,
            kDone);
  const Json report = read_json(at("plan.json"));
  Json by_plan = report["comparison"], by_csv = read_json(at("csv.json"))["comparison"];
  EXPECT_EQ(by_plan["against"], at("plan"));
  EXPECT_EQ(by_csv["against"], at("q.csv"));
  EXPECT_TRUE(by_plan["training_data"].contains("trained_here"));
  EXPECT_TRUE(by_csv["training_data"].is_null()) << "a table does not tell";
  for (const char* key : {"against", "training_data"}) {
    by_plan.erase(key);
    by_csv.erase(key);
  }
  EXPECT_EQ(by_plan, by_csv);
  for (const char* name : {"R@1", "mAP"}) {
    const Json& one = by_plan["text_to_image"][name];
    EXPECT_NEAR(one["against"].get<double>(), first["text_to_image"][name].get<double>(), 1e-9);
    EXPECT_NEAR(one["against"].get<double>() + one["difference"].get<double>(),
                report["text_to_image"][name].get<double>(), 1e-9);
    EXPECT_GT(one["p"].get<double>(), 0);
  }
}

TEST_F(EvaluateCommand, RefusesToCompareOtherQueries) {
  report_of({"--csv", at("q.csv")});
  expect_refused(command({"--split", "train", "--against", at("q.csv")}),
                 {at("q.csv"), "evaluate both on the same split"});
  expect_refused(command({"--against", at("missing")}), {at("missing")});
  test::write_text(dir_ / "other.csv", "rank,score,path,id,caption\n");
  expect_refused(command({"--against", at("other.csv")}), {"other.csv: does not begin"});
  expect_refused(command({"--against", at("q.csv"), "--csv", at("q.csv")}), {"is also an input"});
}

TEST_F(EvaluateCommand, WritesEveryQuery) {
  report_of({"--csv", at("q.csv"), "--top", "2"});
  const Json report = report_of({"--csv", at("q.csv"), "--top", "3"});  // which replaces its own kind
  const auto rows = read_csv(at("q.csv"));
  EXPECT_EQ(rows[0].back(), "right_3");
  double ap = 0;
  std::int64_t queries = 0;
  for (const auto& row : rows)
    if (row[0] == "text_to_image") ap += std::stod(row[7]), ++queries;
  EXPECT_EQ(queries, report["queries"].get<std::int64_t>());
  EXPECT_NEAR(100 * ap / static_cast<double>(queries), report["text_to_image"]["mAP"].get<double>(), 1e-9);
  test::write_text(dir_ / "notes.csv", "my,own,table\n");
  expect_refused(command({"--csv", at("notes.csv")}), {"notes.csv", "is not replaced"});
}

TEST_F(EvaluateCommand, ShowsTheWorstQueriesOnAPageOfItsOwn) {
  const Json report = report_of({"--worst", at("w.html"), "--worst-queries", "3"});
  ASSERT_EQ(report["worst"].size(), 3u);
  const std::string page = read_file(at("w.html"));
  EXPECT_EQ(page.find("http"), std::string::npos) << "no outside resource";
  EXPECT_NE(page.find(report["worst"][0]["caption"].get<std::string>()), std::string::npos);
  EXPECT_NE(page.find("data:image/png;base64,"), std::string::npos);
  EXPECT_EQ(page.find("image missing"), std::string::npos);
  double before = 0;
  for (const Json& query : report["worst"]) {
    EXPECT_GE(query["ap"].get<double>(), before);
    before = query["ap"].get<double>();
  }
}

TEST_F(EvaluateCommand, SaysThatItWasTrainedOnWhatIsMeasured) {
  EXPECT_EQ(report_of({})["training_data"]["images"], 0);
  const Json train = report_of({"--split", "train"})["training_data"];
  EXPECT_GT(train["images"].get<int>(), 0);
  EXPECT_NE(err_.find("images of the training split"), std::string::npos) << err_;
  EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;

  EXPECT_TRUE(train["trained_here"].is_null()) << "this plan's history names no dataset by its hash";
  Json plan = read_json(at("plan/plan.json"));
  plan["provenance"].push_back(
      {{"command", "train"},
       {"dataset", {{"name", "elsewhere"}, {"hash", dataset_hash(open_dataset(data()))}}}});
  write_json(at("plan/plan.json"), plan);
  EXPECT_EQ(report_of({"--split", "train"})["training_data"]["trained_here"], true);
  EXPECT_NE(err_.find(at("plan") + ": split \"train\" of dataset holds"), std::string::npos) << err_;
  EXPECT_NE(err_.find("which the model was trained on"), std::string::npos) << err_;
}

TEST_F(EvaluateCommand, OwnImagesAloneMayBeRight) {
  const Json person = report_of({}), image = report_of({"--relevant", "image"});
  EXPECT_EQ(person["relevant"], "person");
  EXPECT_EQ(image["relevant"], "image");
  EXPECT_LE(image["text_to_image"]["R@1"].get<double>(), person["text_to_image"]["R@1"].get<double>());
  EXPECT_LE(image["chance"]["mAP"].get<double>(), person["chance"]["mAP"].get<double>());
}

TEST_F(EvaluateCommand, WhatHasNoEffectIsAnError) {
  expect_refused(command({"--top", "3"}), {"top", "--csv"});
  expect_refused(command({"--worst-queries", "3"}), {"worst_queries", "--worst"});
  expect_refused(command({"--permutations", "3"}), {"permutations", "--against"});
  expect_refused(command({"--bootstrap", "0", "--seed", "3"}), {"seed"});
  expect_refused(command({"--bootstrap", "-1"}), {"bootstrap"});
  expect_refused(command({"--csv", at("same"), "--worst", at("same")}), {"each a file of its own"});
}

}  // namespace
}  // namespace edgeclip
