#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "process.h"
#include "support/support.h"

/// From nothing to a ranked answer with a model that learns for six steps: every command does its real work,
/// and its report has its keys.  The stages build on each other, so they are one test; the files stay for the
/// other tests.
namespace edgeclip::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTinyConfig = R"({
  "model": {
    "vision": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [64],
               "image_height": 32, "image_width": 16, "patch_size": 8},
    "text": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [64],
             "max_position_embeddings": 32},
    "projection_dim": 16
  },
  "batch": 4, "steps": 6, "seed": 1
})";

std::string at(const std::string& name) { return (work() / name).string(); }

/// Runs edgeclip (or edgeclip-edge), expects success, returns its report.
Json stage(const std::string& program, std::vector<std::string> args) {
  const std::string report = at("reports/" + args.front() + ".json");
  args.insert(args.begin(), program);
  args.insert(args.end(), {"--json", report, "--threads", "1"});
  fs::remove(report);
  const ProcessResult result = run(args);
  EXPECT_EQ(result.code, 0) << args[1] << ": " << result.err << result.out;
  if (result.code != 0) return Json();
  const Json json = read_json(report);
  EXPECT_EQ(json.at("command"), args[1]);
  for (const char* key : {"version", "revision"})
    EXPECT_TRUE(json.contains(key)) << args[1] << " lacks " << key;
  return json;
}

void expect_keys(const Json& json, const std::vector<std::string>& keys, const std::string& what) {
  for (const auto& key : keys)
    EXPECT_TRUE(json.is_object() && json.contains(key)) << what << " lacks " << key;
}

void expect_evaluation(const Json& report) {
  expect_keys(report, {"queries", "gallery", "text_to_image", "image_to_text", "chance"}, "evaluate");
  for (const char* direction : {"text_to_image", "image_to_text"}) {
    expect_keys(report.value(direction, Json()), {"R@1", "R@5", "R@10", "mAP", "mINP"}, direction);
    const double map = report.at(direction).at("mAP").get<double>();
    EXPECT_GT(map, 0) << direction;  // every query has a relevant image
    EXPECT_LE(map, 100) << direction;
  }
}

#define STAGE(var, ...)                \
  const Json var = stage(__VA_ARGS__); \
  ASSERT_FALSE(var.is_null())

TEST(Pipeline, FromNothingToARankedAnswer) {
  fs::remove_all(work());
  fs::create_directories(work() / "reports");
  write_text(work() / "tiny.json", kTinyConfig);

  STAGE(synthesized, EDGECLIP_PROGRAM,
        {"synthesize", "--out", at("dataset"), "--people", "24", "--test-people", "8", "--val-people", "4",
         "--tokenizer", "train:200", "--context-length", "32", "--seed", "1"});
  STAGE(trained, EDGECLIP_PROGRAM,
        {"train", "--config", at("tiny.json"), "--data", at("dataset"), "--out", at("run")});
  for (const char* name : {"run/metrics.jsonl", "run/best/model.safetensors", "run/final/config.json"})
    EXPECT_TRUE(fs::exists(work() / name)) << name;

  STAGE(exported, EDGECLIP_PROGRAM, {"export", "--checkpoint", at("run/final"), "--out", at("bundle")});
  EXPECT_EQ(exported.at("verify").at("passed"), true);
  STAGE(verified, EDGECLIP_EDGE_PROGRAM, {"verify", "--bundle", at("bundle")});
  EXPECT_EQ(verified.at("passed"), true);
  STAGE(quantized, EDGECLIP_EDGE_PROGRAM,
        {"quantize", "--bundle", at("bundle"), "--method", "static", "--data", at("dataset"), "--samples",
         "8", "--out", at("bundle-int8")});
  STAGE(built8, EDGECLIP_EDGE_PROGRAM,
        {"build", "--bundle", at("bundle-int8"), "--precision", "int8", "--out", at("plan-int8")});
  STAGE(built, EDGECLIP_EDGE_PROGRAM,
        {"build", "--bundle", at("bundle"), "--batches", "1,4", "--out", at("plan")});
  for (const char* plan : {"plan", "plan-int8"}) {
    STAGE(compared, EDGECLIP_EDGE_PROGRAM, {"verify", "--bundle", at("bundle"), "--plan", at(plan)});
    EXPECT_EQ(compared.at("precision"), std::string(plan) == "plan" ? "fp32" : "int8");
    EXPECT_EQ(compared.at("cases").size(), verified.at("cases").size());
  }

  STAGE(indexed, EDGECLIP_EDGE_PROGRAM,
        {"index", "--plan", at("plan"), "--images", at("dataset"), "--out", at("gallery")});
  EXPECT_TRUE(fs::exists(work() / "gallery/segments/000001/rows.npy"));
  STAGE(searched, EDGECLIP_EDGE_PROGRAM,
        {"search", "--plan", at("plan"), "--gallery", at("gallery"), "--text",
         "a man in a red jacket, with a bag", "--text", "a woman", "--top", "5", "--csv", at("hits.csv"),
         "--grid", at("grid.png")});
  for (const char* query : {"1", "2"}) {
    EXPECT_EQ(read_csv(work() / fmt::format("hits.{}.csv", query)).size(), 1u + 5);  // header, results
    EXPECT_TRUE(fs::exists(work() / fmt::format("grid.{}.png", query)));
  }

  STAGE(searched8, EDGECLIP_EDGE_PROGRAM,
        {"search", "--plan", at("plan-int8"), "--gallery", at("gallery"), "--text", "a woman", "--top", "5"});
  EXPECT_EQ(searched8.at("queries").at(0).at("results").size(), 5u) << "one embedding space, two precisions";

  for (const char* plan : {"plan", "plan-int8"}) {
    STAGE(evaluated, EDGECLIP_EDGE_PROGRAM,
          {"evaluate", "--plan", at(plan), "--data", at("dataset"), "--split", "test"});
    expect_evaluation(evaluated);
  }
  STAGE(reference, EDGECLIP_PROGRAM,
        {"evaluate", "--checkpoint", at("run"), "--data", at("dataset"), "--split", "test"});
  expect_evaluation(reference);

  STAGE(benched, EDGECLIP_EDGE_PROGRAM,
        {"bench", "--plan", at("plan"), "--data", at("dataset"), "--queries", "8", "--batch", "1"});
  expect_keys(benched,
              {"precision", "batch", "total_queries", "total_time_s", "total_inference_time_s",
               "avg_inference_time_s", "avg_qps", "latency_ms", "cpu_percent", "memory_percent", "rss_mb",
               "gpu_percent", "power_w", "model_mb"},
              "bench");
  expect_keys(benched.value("latency_ms", Json()), {"p10", "median", "p90", "p99"}, "latency_ms");
  EXPECT_EQ(benched.at("total_queries"), 8);
  EXPECT_GT(benched.at("avg_qps").get<double>(), 0);

  write_text(work() / "texts.txt", "a man in a red jacket\na woman\n");
  STAGE(encoded, EDGECLIP_EDGE_PROGRAM,
        {"encode", "--plan", at("plan"), "--texts", at("texts.txt"), "--out", at("encoded")});
  EXPECT_EQ(read_npy(work() / "encoded/text.npy").shape(), (Shape{2, 16}));

  STAGE(reported, EDGECLIP_PROGRAM,
        {"report", "--out", at("report.html"), at("run"), at("reports/evaluate.json"),
         at("reports/bench.json"), at("grid.1.png")});
  const std::string page = read_file(work() / "report.html");
  for (const char* part :
       {"<svg", "total loss", "What is found for some captions", "mINP", "queries per second", "data:image/png;base64,"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  for (const char* outside : {"http://", "https://", "<script", "<link"})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

TEST(Pipeline, InspectKnowsEveryArtifact) {
  for (const auto& [path, kind] :
       std::vector<std::pair<std::string, std::string>>{{"dataset", "dataset"},
                                                        {"run", "run"},
                                                        {"run/final", "checkpoint"},
                                                        {"bundle", "bundle"},
                                                        {"bundle/image.onnx", "onnx"},
                                                        {"bundle/tokenizer", "tokenizer"},
                                                        {"bundle/reference.safetensors", "safetensors"},
                                                        {"plan", "plan"},
                                                        {"plan/text.plan", "plan file"},
                                                        {"gallery", "gallery"},
                                                        {"gallery/segments/000001/rows.npy", "npy"},
                                                        {"grid.1.png", "image"}}) {
    const ProcessResult result = run({EDGECLIP_EDGE_PROGRAM, "inspect", at(path), "--json", "-"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(Json::parse(result.out).at("kind"), kind);
  }
}

TEST(Pipeline, InspectShowsAHistoryLineByLine) {
  const ProcessResult result = run({EDGECLIP_EDGE_PROGRAM, "inspect", at("bundle-int8")});
  ASSERT_EQ(result.code, 0) << result.err;
  std::istringstream lines(result.out);
  std::vector<std::string> steps;
  bool history = false;
  for (std::string line; std::getline(lines, line);) {
    history = line == "provenance" || (history && line.rfind("  ", 0) == 0);
    if (history && line != "provenance") steps.push_back(line.substr(2));
    EXPECT_LT(line.size(), 200u) << line;
  }
  ASSERT_EQ(steps.size(), 3u) << result.out;
  EXPECT_EQ(steps[0].rfind("train, version ", 0), 0u) << steps[0];
  EXPECT_NE(steps[0].find("data "), std::string::npos) << steps[0];
  EXPECT_EQ(steps[2].rfind("quantize, ", 0), 0u) << steps[2];
}

TEST(Pipeline, SearchNamesWhatTheModelDoesNotSee) {
  std::string longest = "a man";
  for (int i = 0; i < 40; ++i) longest += " and a man";
  const ProcessResult result =
      run({EDGECLIP_EDGE_PROGRAM, "search", "--plan", at("plan"), "--gallery", at("gallery"), "--text",
           "a man", "--text", "a man 日", "--text", longest, "--quiet"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;
  EXPECT_NE(result.err.find("\"a man 日\": the vocabulary does not know \"日\""), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("tokens are cut off, the model reads 30"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace edgeclip::test
