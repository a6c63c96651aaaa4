// The plan: its graph file bit by bit, build_plan and PlanRunner on a small bundle.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/hash.h"
#include "engine/import/onnx_import.h"
#include "engine/ops/interpreter.h"
#include "engine/plan/plan.h"
#include "engine/plan/plan_file.h"
#include "small_bundle.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

Graph graph_with_everything() {
  test::GraphWriter g("all kinds");
  const ValueId x = g.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const ValueId w = g.weights({4, 3});
  const ValueId y =
      g.node("FusedMatMul", {x, w, kNoValue, kNoValue}, {{"activation", std::string("gelu")}}, "edgeclip");
  const ValueId bytes = g.constant(Tensor::from<std::int8_t>({3}, {-1, 0, 1}));
  const ValueId empty = g.constant(Tensor(DType::i64, {0}));
  Graph graph = g.finish({y, bytes, empty});
  graph.nodes()[0].attributes["i"] = std::int64_t{-5};
  graph.nodes()[0].attributes["f"] = 0.25f;
  graph.nodes()[0].attributes["is"] = std::vector<std::int64_t>{1, -2};
  graph.nodes()[0].attributes["fs"] = std::vector<float>{0.5f, -1};
  graph.nodes()[0].attributes["ss"] = std::vector<std::string>{"", "two"};
  graph.nodes()[0].attributes["t"] = Tensor::from<float>({1, 2}, {3, 4});
  graph.value(y).shape = std::nullopt;
  return graph;
}

void expect_same(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.dtype(), b.dtype());
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_TRUE(a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

TEST(PlanFile, KeepsTheWholeGraph) {
  const TempDir dir;
  const Graph graph = graph_with_everything();
  write_plan_graph(dir / "a.plan", graph);
  const Graph read = read_plan_graph(dir / "a.plan");
  EXPECT_EQ(read.name, graph.name);
  EXPECT_EQ(read.inputs, graph.inputs);
  EXPECT_EQ(read.outputs, graph.outputs);
  ASSERT_EQ(read.value_count(), graph.value_count());
  for (ValueId i = 0; i < static_cast<ValueId>(graph.value_count()); ++i) {
    EXPECT_EQ(read.value(i).name, graph.value(i).name);
    EXPECT_EQ(read.value(i).dtype, graph.value(i).dtype);
    EXPECT_EQ(read.value(i).shape, graph.value(i).shape);
    EXPECT_EQ(read.value(i).symbols, graph.value(i).symbols);
    ASSERT_EQ(read.value(i).is_constant(), graph.value(i).is_constant());
    if (!read.value(i).is_constant()) continue;
    expect_same(*read.value(i).constant, *graph.value(i).constant);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(read.value(i).constant->raw()) % kPlanAlignment, 0u);
  }
  ASSERT_EQ(read.nodes().size(), 1u);
  const Node &a = read.nodes()[0], &b = graph.nodes()[0];
  EXPECT_EQ(a.name + a.op + a.domain, b.name + b.op + b.domain);
  EXPECT_EQ(a.opset, b.opset);
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.outputs, b.outputs);
  ASSERT_EQ(a.attributes.size(), b.attributes.size());
  for (const auto& attribute : b.attributes) {
    const std::string& key = attribute.first;  // clang 14 does not capture structured bindings
    const Attribute& value = attribute.second;
    const Attribute& other = a.attributes.at(key);
    ASSERT_EQ(other.index(), value.index()) << key;
    if (const Tensor* tensor = std::get_if<Tensor>(&value)) {
      expect_same(std::get<Tensor>(other), *tensor);
      continue;
    }
    std::visit(
        [&](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (!std::is_same_v<T, Tensor>) {
            EXPECT_EQ(std::get<T>(other), v) << key;
          }
        },
        value);
  }
}

TEST(PlanFile, SharedConstantsAreStoredOnce) {
  const TempDir dir;
  test::GraphWriter g("shared");
  const Tensor big = test::random_floats({1000}, 1);
  const ValueId a = g.constant(big), b = g.constant(big.reshaped({10, 100}));
  write_plan_graph(dir / "a.plan", g.finish({a, b}));
  EXPECT_LT(fs::file_size(dir / "a.plan"), 2 * big.bytes());
  const Graph read = read_plan_graph(dir / "a.plan");
  EXPECT_EQ(read.value(a).constant->raw(), read.value(b).constant->raw());
}

TEST(PlanFile, SaysWhatIsWrong) {
  const TempDir dir;
  const fs::path file = dir / "a.plan";
  write_plan_graph(file, graph_with_everything());
  const std::string good = read_file(file);
  const auto message_for = [&](const std::string& bytes) {
    test::write_text(file, bytes);
    return test::invalid_input_of([&] { read_plan_graph(file); });
  };
  EXPECT_NE(message_for("").find("it is empty"), std::string::npos);
  EXPECT_NE(message_for("PK\3\4 something else altogether").find("not a plan file"), std::string::npos);
  EXPECT_NE(message_for(good.substr(0, 50)).find("inside its header"), std::string::npos);
  EXPECT_NE(message_for(good.substr(0, good.size() - 1)).find("do not add up"), std::string::npos);
  EXPECT_NE(message_for(good + "x").find("do not add up"), std::string::npos);
  std::string newer = good;
  newer[8] = 3;
  EXPECT_EQ(message_for(newer), file.string() + ": format 3 is newer than this build (1); update edgeclip");
  std::string weights = good;
  weights[weights.size() - 60] ^= 1;
  EXPECT_NE(message_for(weights).find("checksum of its weights"), std::string::npos);
}

TEST(PlanFile, AnyDamageIsRefusedOrHarmless) {
  const TempDir dir;
  const fs::path file = dir / "a.plan";
  write_plan_graph(file, graph_with_everything());
  const std::string good = read_file(file);
  PlanHeader header;
  std::memcpy(&header, good.data(), sizeof header);
  for (std::size_t length = 0; length < good.size(); length += 31) {
    test::write_text(file, good.substr(0, length));
    EXPECT_THROW(read_plan_graph(file), InvalidInput) << length;
  }
  for (std::size_t i = 0; i < good.size(); i += 5) {
    const bool padding = i >= sizeof header + header.graph_bytes && i < header.weights_offset;
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    test::write_text(file, bad);
    if (padding) {
      EXPECT_NO_THROW(read_plan_graph(file)) << i;
    } else {
      EXPECT_THROW(read_plan_graph(file), InvalidInput) << i;
    }
  }
}

/// With the checksum made right again, the reader's own checks have to hold: nothing but InvalidInput, no
/// crash.
TEST(PlanFile, ForgedGraphsDoNotCrash) {
  const TempDir dir;
  const fs::path file = dir / "a.plan";
  write_plan_graph(file, graph_with_everything());
  const std::string good = read_file(file);
  PlanHeader header;
  std::memcpy(&header, good.data(), sizeof header);
  int refused = 0;
  for (std::size_t i = 0; i < header.graph_bytes; i += 2) {
    const int flip = std::array{0x01, 0x80, 0xff}[i / 2 % 3];
    std::string bad = good;
    bad[sizeof header + i] = static_cast<char>(bad[sizeof header + i] ^ flip);
    const std::string hash = hash_bytes(bad.data() + sizeof header, header.graph_bytes);
    std::memcpy(bad.data() + offsetof(PlanHeader, graph_hash), hash.data(), hash.size());
    test::write_text(file, bad);
    try {
      const Graph graph = read_plan_graph(file);
      graph.check();
      const Session session(graph, {});
      Context context(session);
      const Tensor x = test::random_floats({2, 4}, 1);
      context.run({x.view()});
    } catch (const InvalidInput&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

class PlanOfBundle : public testing::Test {
 protected:
  void SetUp() override {
    test::write_small_bundle(dir_ / "bundle");
    options_.bundle = (dir_ / "bundle").string();
    options_.out = (dir_ / "plan").string();
    options_.batches = {4, 1, 4};
    options_.memory_pool_mb = 8;
  }
  std::string message() {
    return test::invalid_input_of([&] { build_plan(options_); });
  }

  TempDir dir_;
  BuildOptions options_;
};

TEST_F(PlanOfBundle, RunsWhatTheOnnxFilesSay) {
  const Json report = build_plan(options_);
  EXPECT_EQ(report["batches"], Json({1, 4}));
  EXPECT_GT(report["image"]["arena_bytes"]["4"].get<int>(), 0);
  PlanRunner runner(options_.out);
  EXPECT_EQ(runner.info().model_hash, report["model_hash"].get<std::string>());
  EXPECT_EQ(runner.info().precision, "fp32");
  EXPECT_EQ(runner.info().memory_pool_mb, 8);
  EXPECT_EQ(runner.info().card.embedding_dim, test::kSmallEmbedding);
  EXPECT_EQ(runner.info().json["provenance"][0]["command"], "test");
  const Graph image = import_onnx(dir_ / "bundle" / "image.onnx"),
              text = import_onnx(dir_ / "bundle" / "text.onnx");
  for (const std::int64_t batch : {1, 3, 4, 9}) {  // 9: two full profiles and one left over
    const Tensor pixels = test::random_floats({batch, 3, test::kSmallHeight, test::kSmallWidth}, 9);
    EXPECT_LE(test::max_difference(runner.encode_images(pixels.view()),
                                   run_reference(image, {pixels.view()}).at(0)),
              1e-6);
    Tensor narrow(DType::i32, {batch, 5}), wide(DType::i64, {batch, 5});
    for (std::int64_t i = 0; i < narrow.elements(); ++i)
      wide.data<std::int64_t>()[i] = narrow.data<std::int32_t>()[i] = static_cast<int>(i * 7 % 20);
    const Tensor expected = run_reference(text, {wide.view()}).at(0);
    EXPECT_LE(test::max_difference(runner.encode_tokens(narrow.view()), expected), 1e-6);
    EXPECT_LE(test::max_difference(runner.encode_tokens(wide.view()), expected), 1e-6);
  }
  EXPECT_EQ(
      runner.encode_images(Tensor(DType::f32, {0, 3, test::kSmallHeight, test::kSmallWidth}).view()).shape(),
      (Shape{0, test::kSmallEmbedding}));
  EXPECT_EQ(runner.encode_tokens(Tensor(DType::i32, {0, 0}).view()).shape(),
            (Shape{0, test::kSmallEmbedding}));
  EXPECT_EQ(runner.tokenizer()->vocab_size(), runner.info().card.vocab_size);
}

TEST_F(PlanOfBundle, ConcurrentCalls) {
  build_plan(options_);
  PlanRunner runner(options_.out);
  const Tensor pixels = test::random_floats({6, 3, test::kSmallHeight, test::kSmallWidth}, 9);
  const Tensor expected = runner.encode_images(pixels.view());
  std::vector<double> worst(4, NAN);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < worst.size(); ++t)
    threads.emplace_back([&, t] {
      worst[t] = 0;
      for (int i = 0; i < 50; ++i)
        worst[t] = std::max(worst[t], test::max_difference(runner.encode_images(pixels.view()), expected));
    });
  for (auto& thread : threads) thread.join();
  for (const double w : worst) EXPECT_LE(w, 1e-6);
}

TEST_F(PlanOfBundle, RefusesWrongShapes) {
  build_plan(options_);
  PlanRunner runner(options_.out);
  const Tensor pixels(DType::f32, {1, 3, 4, 8}), tokens(DType::i32, {1, test::kSmallContext + 1}),
      none(DType::i32, {1, 0});
  EXPECT_EQ(test::invalid_input_of([&] { runner.encode_images(pixels.view()); }),
            "pixels: expected (B, 3, 8, 4) float32, given (1, 3, 4, 8) float32");
  EXPECT_EQ(test::invalid_input_of([&] { runner.encode_tokens(tokens.view()); }),
            "tokens: expected (B, T) int32 or int64 with 1 to 12 tokens, given (1, 13) int32");
  EXPECT_NE(test::invalid_input_of([&] { runner.encode_tokens(none.view()); }), "");
}

TEST_F(PlanOfBundle, SaysWhyItCannotBeBuilt) {
  options_.precision = "bf16";
  EXPECT_EQ(message(), "--precision bf16 is not available yet; use fp32 or int8");
  options_.precision = "int9";
  EXPECT_NE(message().find("did you mean \"int8\""), std::string::npos);
  options_.precision = "int8";
  EXPECT_NE(message().find("--calibration"), std::string::npos);
  options_.precision = "fp32";
  options_.batches = {0};
  EXPECT_EQ(message(), "--batches: 0 is not between 1 and 65536");
  options_.batches = {1, 40000};
  const std::string pool = message();
  EXPECT_NE(pool.find("input_ids (40000, 12)"), std::string::npos) << pool;
  EXPECT_NE(pool.find("--memory-pool-mb"), std::string::npos) << pool;
  EXPECT_FALSE(fs::exists(options_.out));
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(dir_.path())) left.insert(entry.path().filename().string());
  EXPECT_EQ(left, std::set<std::string>{"bundle"});  // nothing half-made stays behind
}

TEST_F(PlanOfBundle, AnInt8BundleIsNoFp32Plan) {
  test::write_small_bundle(dir_ / "int8", "int8");
  options_.bundle = (dir_ / "int8").string();
  EXPECT_NE(message().find("--precision int8"), std::string::npos);
  options_.precision = "int8";
  build_plan(options_);
  EXPECT_EQ(open_plan_info(options_.out).precision, "int8");
}

TEST_F(PlanOfBundle, DamagedFoldersAreRefused) {
  build_plan(options_);
  const fs::path plan = options_.out;
  const std::string json = read_file(plan / "plan.json"), image = read_file(plan / "image.plan");
  const auto open = [&] { return test::invalid_input_of([&] { PlanRunner runner(plan); }); };
  test::write_text(plan / "image.plan", "");
  EXPECT_NE(open().find("image.plan"), std::string::npos);
  std::string damaged = image;
  damaged[damaged.size() / 2] ^= 1;
  test::write_text(plan / "image.plan", damaged);
  EXPECT_NE(open().find("image.plan"), std::string::npos);
  test::write_text(plan / "image.plan", image);
  Json changed = Json::parse(json);
  changed["format"] = 3;
  test::write_text(plan / "plan.json", changed.dump());
  EXPECT_EQ(open(),
            (plan / "plan.json").string() + ": format 3 is newer than this build (1); update edgeclip");
  for (const char* key :
       {"format", "precision", "batches", "memory_pool_mb", "card", "model_hash", "files"}) {
    changed = Json::parse(json);
    changed.erase(key);
    test::write_text(plan / "plan.json", changed.dump());
    EXPECT_NE(open().find(key), std::string::npos) << key;
    changed[key] = nullptr;
    test::write_text(plan / "plan.json", changed.dump());
    EXPECT_NE(open().find(key), std::string::npos) << key;
  }
  test::write_text(plan / "plan.json", "");
  EXPECT_NE(open(), "");
  EXPECT_NE(test::invalid_input_of([&] { open_plan_info(dir_ / "nowhere"); }), "");
}

}  // namespace
}  // namespace edgeclip::engine
