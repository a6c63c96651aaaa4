// The graph file of a plan, bit by bit.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <fstream>

#include "base/file.h"
#include "base/hash.h"
#include "engine/ops/interpreter.h"
#include "engine/plan/plan_file.h"
#include "engine/runtime/session.h"
#include "small_graphs.h"
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
  graph.nodes()[0].origins = {"one", "two"};
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
  EXPECT_EQ(a.origins, (std::vector<std::string>{"one", "two"}));
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
  newer[8] = 4;
  EXPECT_EQ(message_for(newer), file.string() + ": format 4 is newer than this build (3); update edgeclip");
  std::string older = good;
  older[8] = 2;
  EXPECT_EQ(message_for(older),
            file.string() + ": format 2 is older than this build (3); build it again: edgeclip-edge build "
                            "--bundle BUNDLE --out PLAN (of an ONNX file: edgeclip-edge build MODEL.onnx --out PLAN)");
  std::string table = good;
  table[table.size() - 60] ^= 1;
  EXPECT_NE(message_for(table).find("its table of checksums differs"), std::string::npos);
}

/// y = x a + b of weights of several blocks, and a constant that is an output itself.
Graph graph_of_blocks() {
  test::GraphWriter g("blocks");
  const auto side = static_cast<std::int64_t>(kPlanBlock / sizeof(float) / 256);
  const ValueId x = g.input("x", DType::f32, {1, 256}, {});
  const ValueId a = g.constant(test::random_floats({256, 3 * side}, 1));  // three blocks
  const ValueId b = g.constant(test::random_floats({3 * side}, 2));
  const ValueId alone = g.constant(test::random_floats({16}, 3));
  return g.finish({g.node("Add", {g.node("MatMul", {x, a}), b}), alone});
}

/// To be damaged.
struct WrittenPlan {
  TempDir dir;
  fs::path file = dir / "a.plan";
  std::string good;
  PlanHeader header;

  explicit WrittenPlan(const Graph& graph) {
    write_plan_graph(file, graph);
    good = read_file(file);
    std::memcpy(&header, good.data(), sizeof header);
  }
};

TEST(PlanFile, ADamagedBlockIsFoundWhereItIsUsed) {
  const WrittenPlan plan(graph_of_blocks());
  const auto& [dir, file, good, header] = plan;
  ASSERT_EQ(header.blocks(), 4u);
  for (const std::uint64_t block : {0u, 2u, 3u}) {
    std::string bad = good;
    bad[header.weights_offset + block * kPlanBlock + 77] ^= 1;
    test::write_text(file, bad);
    const Graph graph = read_plan_graph(file);  // reads no weights
    const std::string message = test::invalid_input_of([&] { const Session session(graph, {}); });
    EXPECT_NE(message.find(file.string()), std::string::npos) << message;
    EXPECT_NE(message.find(fmt::format("block {} of its weights", block)), std::string::npos) << message;
    EXPECT_NE(message.find("build the plan again"), std::string::npos) << message;
    const Tensor x = test::random_floats({1, 256}, 1);
    EXPECT_THROW(run_reference(graph, {x.view()}), InvalidInput);
  }
  test::write_text(file, good);
  EXPECT_NO_THROW(Session(read_plan_graph(file), {}));
}

/// The plan file's mapping in this process, in KiB: "Rss", "Private_Dirty", ...  -1: it is not mapped.
std::int64_t mapped_kib(const fs::path& file, const std::string& field) {
  std::ifstream maps("/proc/self/smaps");
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) ours = line.find(file.string()) != std::string::npos;
    if (ours && line.rfind(field + ":", 0) == 0) return std::stoll(line.substr(field.size() + 1));
  }
  return -1;
}

TEST(PlanFile, OpeningReadsNoWeights) {
  const TempDir dir;
  const fs::path file = dir / "a.plan";
  test::GraphWriter g("large");
  const ValueId x = g.input("x", DType::f32, {1, 1024}, {});
  const ValueId a = g.constant(test::random_floats({1024, 4096}, 1));
  write_plan_graph(file, g.finish({g.node("MatMul", {x, a})}));
  constexpr std::int64_t kWeights = 16 << 10;
  ASSERT_EQ(mapped_kib(file, "Rss"), -1);
  Graph graph = read_plan_graph(file);
  EXPECT_LT(mapped_kib(file, "Rss"), 512);  // the kernel maps what lies around a page
  EXPECT_GT(mapped_kib(file, "Rss"), 0);
  {
    const Session session(std::move(graph), {});  // checks them
    EXPECT_GT(mapped_kib(file, "Rss"), kWeights - 512);
    const Tensor row = test::random_floats({1, 1024}, 2);
    Context context(session);
    context.run({row.view()});
    EXPECT_EQ(mapped_kib(file, "Private_Dirty"), 0);  // the file's own pages, shared with who else maps it
    if (session.packed_bytes() >= kWeights << 10) {
      EXPECT_LT(mapped_kib(file, "Rss"), 512);  // given back for their packed copy
    }
  }
  EXPECT_EQ(mapped_kib(file, "Rss"), -1);
}

/// Opens it and looks at every constant, used or not.
void read_all(const fs::path& file) {
  const Graph graph = read_plan_graph(file);
  for (const Node& node : graph.nodes()) graph.verify_attributes(node);
  for (ValueId i = 0; i < static_cast<ValueId>(graph.value_count()); ++i) graph.verify_constants({i});
}

TEST(PlanFile, AnyDamageIsRefusedOrHarmless) {
  const WrittenPlan plan(graph_with_everything());
  const auto& [dir, file, good, header] = plan;
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
      EXPECT_NO_THROW(read_all(file)) << i;
    } else {
      EXPECT_THROW(read_all(file), InvalidInput) << i;
    }
  }
}

/// With the checksum made right again, the reader's own checks have to hold: nothing but InvalidInput, no
/// crash.
TEST(PlanFile, ForgedGraphsDoNotCrash) {
  const WrittenPlan plan(graph_with_everything());
  const auto& [dir, file, good, header] = plan;
  const std::size_t table = header.weights_offset + header.weights_bytes,
                    table_bytes = header.blocks() * kPlanHashBytes;
  int refused = 0;
  for (std::size_t i = 0; i < header.graph_bytes; i += 2) {
    const int flip = std::array{0x01, 0x80, 0xff}[i / 2 % 3];
    std::string bad = good;
    bad[sizeof header + i] = static_cast<char>(bad[sizeof header + i] ^ flip);
    const std::string hash = hash_bytes(bad.data() + sizeof header, header.graph_bytes);
    std::memcpy(bad.data() + offsetof(PlanHeader, graph_hash), hash.data(), hash.size());
    Hasher all;
    all.add(bad.data(), sizeof header);
    all.add(bad.data() + table, table_bytes);
    bad.replace(table + table_bytes, kPlanHashBytes, all.result());
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

}  // namespace
}  // namespace edgeclip::engine
