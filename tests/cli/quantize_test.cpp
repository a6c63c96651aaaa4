// quantize through the command line: the retrieval that it measures is that of `evaluate`.
#include <filesystem>

#include "base/json.h"
#include "builder/transformer_bundle.h"
#include "cli/command_line.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using test::expect_refused;
using test::run_edge;

class QuantizeCommandTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home_ = std::make_unique<test::TempDir>();
    engine::test::write_transformer_bundle(home_->path());
  }
  static void TearDownTestSuite() { home_.reset(); }
  static std::string at(const std::string& name) { return (*home_ / name).string(); }
  static Json evaluated(const std::string& bundle, const std::string& precision) {
    EXPECT_EQ(run_edge({"build", "--bundle", at(bundle), "--precision", precision, "--batches", "32", "--out",
                        at("plan"), "--overwrite", "--quiet"})
                  .code,
              0);
    EXPECT_EQ(run_edge({"evaluate", "--plan", at("plan"), "--data", at("dataset"), "--split", "train",
                        "--json", at("e.json"), "--quiet"})
                  .code,
              0);
    const Json score = read_json(at("e.json"))["text_to_image"];
    return {{"R@1", score["R@1"]}, {"mAP", score["mAP"]}};
  }
  static std::unique_ptr<test::TempDir> home_;
};
std::unique_ptr<test::TempDir> QuantizeCommandTest::home_;

TEST_F(QuantizeCommandTest, MeasuresWhatEvaluateMeasures) {
  const auto made = run_edge({"quantize", "--bundle", at("bundle"), "--data", at("dataset"), "--score-split",
                              "train", "--sensitivity", at("layers.json"), "--max-recall-loss", "50", "--out",
                              at("int8"), "--json", at("r.json"), "--quiet"});
  ASSERT_EQ(made.code, 0) << made.err;
  const Json layers = read_json(at("layers.json")), mixed = read_json(at("r.json"))["mixed"];
  EXPECT_EQ(layers["images"], 24);
  EXPECT_EQ(layers["fp32"], evaluated("bundle", "fp32"));
  EXPECT_EQ(mixed["fp32"], layers["fp32"]);
  EXPECT_EQ(mixed["int8"], layers["int8"]);
  for (const char* key : {"R@1", "mAP"})
    EXPECT_NEAR(mixed["result"][key].get<double>(), evaluated("int8", "int8")[key].get<double>(), 5) << key;
}

TEST_F(QuantizeCommandTest, SamplesBoundTheImages) {
  ASSERT_EQ(run_edge({"quantize", "--bundle", at("bundle"), "--data", at("dataset"), "--score-split", "test",
                      "--score-samples", "3", "--sensitivity", at("few.json"), "--quiet"})
                .code,
            0);
  EXPECT_EQ(read_json(at("few.json"))["images"], 3);
}

TEST_F(QuantizeCommandTest, RefusalsAreOneLine) {
  const std::vector<std::string> start = {"quantize", "--bundle", at("bundle"), "--data", at("dataset")};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), start.begin(), start.end());
    return more;
  };
  expect_refused(with({"--max-recall-loss", "0.5"}), {"--out is required"});
  expect_refused(with({"--max-recall-loss", "0.5", "--out", at("no")}), {"has no images of split \"val\""});
  EXPECT_FALSE(std::filesystem::exists(at("no")));
  // Of a random model no layer can be int8 for nothing, or all can: either is one line, and never a bundle in
  // the first case.
  const auto none =
      run_edge(with({"--max-recall-loss", "0", "--score-split", "train", "--out", at("zero"), "--quiet"}));
  EXPECT_TRUE(none.code == 0 || none.code == 3) << none.err;
  EXPECT_EQ(std::filesystem::exists(at("zero")), none.code == 0);
}

}  // namespace
}  // namespace edgeclip
