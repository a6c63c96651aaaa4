// Packed weights in a file beside the plan: shared, made anew when they do not match, and never wrong.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/hash.h"
#include "engine/cpu/packed_file.h"
#include "engine/plan/plan_file.h"
#include "kernels/cpu_features.h"
#include "small_graphs.h"

namespace edgeclip::engine {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

constexpr std::int64_t kWidth = 96, kInner = 80;
constexpr std::size_t kHeader = 128, kEntry = 120, kTableHash = 96, kHashBytes = 32;

Tensor random_bytes(DType type, const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Tensor t(type, shape);
  for (std::size_t i = 0; i < t.bytes(); ++i) t.raw()[i] = static_cast<std::byte>(rng.below(256));
  return t;
}

Tensor narrowed(const Tensor& wide) {
  Tensor narrow(DType::bf16, wide.shape());
  for (std::size_t i = 0; i < narrow.bytes() / 2; ++i) std::memcpy(narrow.raw() + 2 * i, wide.raw() + 4 * i + 2, 2);
  return narrow;
}

/// Products by float32, bfloat16 and 8-bit weights.
Graph products(std::uint64_t seed) {
  test::GraphWriter g("products");
  const ValueId x = g.input("x", DType::f32, {-1, kWidth}, {"batch", ""});
  const ValueId bytes = g.input("bytes", DType::u8, {-1, kWidth}, {"batch", ""});
  const auto floats = [&](const Shape& shape) { return test::random_floats(shape, ++seed, 0.1); };
  const std::map<std::string, Attribute> plain = {{"activation", std::string()}};
  const ValueId inner = g.node("FusedMatMul", {x, g.constant(floats({kWidth, kInner})), g.constant(floats({kInner}))},
                               {{"activation", std::string("gelu")}}, "edgeclip");
  const ValueId last =
      g.node("FusedMatMul", {inner, g.constant(narrowed(floats({kInner, kWidth})))}, plain, "edgeclip");
  const ValueId quantized = g.node(
      "QuantMatMul",
      {bytes, g.constant(random_bytes(DType::i8, {kWidth, kInner}, ++seed)), g.constant(floats({kInner}))},
      {{"a_scale", 0.02F}, {"a_zero_point", std::int64_t{117}}, {"activation", std::string()}}, "edgeclip");
  return g.finish({last, quantized});
}

struct Result {
  std::vector<Tensor> outputs;
  std::int64_t packed_bytes = 0;
  std::vector<std::string> warnings, infos;
};

class PackedCacheTest : public ::testing::Test {
 protected:
  PackedCacheTest() { write_plan_graph(plan(), products(1)); }

  fs::path plan() const { return dir_ / "a.plan"; }
  fs::path cache() const { return dir_ / ("a.plan.packed-" + kernels::level_name(kernels::cpu_level())); }

  Result run(bool with_cache, std::int64_t batch = 3) const {
    Result result;
    SessionOptions options;
    options.packed_cache = with_cache;
    options.log = [&](LogLevel level, const std::string& text) {
      if (level == LogLevel::kWarning) result.warnings.push_back(text);
      if (level == LogLevel::kInfo) result.infos.push_back(text);
    };
    const Session session(read_plan_graph(plan()), options);
    Context context(session);
    const Tensor x = test::random_floats({batch, kWidth}, 7), bytes = random_bytes(DType::u8, {batch, kWidth}, 8);
    result.outputs = context.run({x.view(), bytes.view()});
    result.packed_bytes = session.packed_bytes();
    for (const Context::Layer& layer : context.layers({x.shape(), bytes.shape()}))
      EXPECT_EQ(layer.kernel.rfind("gemm:", 0), 0U) << layer.kernel;
    return result;
  }

  void expect_same(const Result& a, const Result& b) const {
    ASSERT_EQ(a.outputs.size(), b.outputs.size());
    for (std::size_t i = 0; i < a.outputs.size(); ++i) {
      ASSERT_EQ(a.outputs[i].shape(), b.outputs[i].shape());
      EXPECT_EQ(std::memcmp(a.outputs[i].raw(), b.outputs[i].raw(), a.outputs[i].bytes()), 0) << i;
    }
  }

  /// Writes other bytes at a place of the table and makes its checksum right again.
  void forge(std::string file, std::size_t at, std::uint64_t value) const {
    std::memcpy(file.data() + at, &value, sizeof value);
    std::uint64_t entries = 0;
    std::memcpy(&entries, file.data() + 24, sizeof entries);
    std::string hashed = file.substr(0, kHeader + entries % 16 * kEntry);
    std::fill_n(hashed.begin() + kTableHash, kHashBytes, '\0');
    file.replace(kTableHash, kHashBytes, hash_text(hashed));
    test::write_text(cache(), file);
  }

  const TempDir dir_;
};

/// How often this process maps the file.
int mappings(const fs::path& file) {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.size() > file.native().size() && line.ends_with(" " + file.native());
  return count;
}

TEST_F(PackedCacheTest, GivesTheSameToTheBitAndHoldsNoCopy) {
  const Result plain = run(false), larger = run(false, 40);
  EXPECT_FALSE(fs::exists(cache()));
  EXPECT_GT(plain.packed_bytes, kWidth * kInner * 4);
  const Result first = run(true);
  const std::string file = read_file(cache());
  const Result second = run(true);
  for (const Result* result : {&first, &second}) {
    expect_same(plain, *result);
    EXPECT_LT(result->packed_bytes, 2000);  // sums of columns
    EXPECT_TRUE(result->warnings.empty() && result->infos.empty());
  }
  expect_same(larger, run(true, 40));
  EXPECT_EQ(read_file(cache()), file);
}

TEST_F(PackedCacheTest, IsMappedBySessionsAtTheSameTime) {
  const Result plain = run(false);
  SessionOptions options;
  options.packed_cache = true;
  {
    const Session one(read_plan_graph(plan()), options);
    expect_same(plain, run(true));
    EXPECT_EQ(mappings(cache()), 0);  // there was none yet when `one` looked
    const Session two(read_plan_graph(plan()), options), three(read_plan_graph(plan()), options);
    EXPECT_EQ(mappings(cache()), 2);
    expect_same(plain, run(true));
  }
  EXPECT_EQ(mappings(cache()), 0);
}

TEST_F(PackedCacheTest, IsMadeByThreadsAtOnce) {
  const Result plain = run(false);
  std::vector<Result> results(4);
  std::vector<std::thread> threads;
  for (Result& result : results) threads.emplace_back([&] { result = run(true); });
  for (std::thread& thread : threads) thread.join();
  for (const Result& result : results) {
    expect_same(plain, result);
    EXPECT_TRUE(result.warnings.empty());
  }
  EXPECT_LT(run(true).packed_bytes, 2000);
}

TEST_F(PackedCacheTest, APlanThatIsGoneOrAnotherByNowIsLeftAlone) {
  const Result plain = run(false);
  const std::string old = read_file(plan());
  const Tensor x = test::random_floats({3, kWidth}, 7), bytes = random_bytes(DType::u8, {3, kWidth}, 8);
  for (const bool replaced : {false, true}) {
    test::write_text(plan(), old);
    std::vector<std::string> warnings;
    SessionOptions options;
    options.packed_cache = true;
    options.log = [&](LogLevel level, const std::string& text) {
      if (level == LogLevel::kWarning) warnings.push_back(text);
    };
    const Session session(read_plan_graph(plan()), options);
    fs::remove(plan());
    if (replaced) write_plan_graph(plan(), products(50));
    Context context(session);
    Result result;
    result.outputs = context.run({x.view(), bytes.view()});
    expect_same(plain, result);
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings[0].find(replaced ? "another plan by now" : "a.plan"), std::string::npos) << warnings[0];
    EXPECT_FALSE(fs::exists(cache()));
  }
}

TEST_F(PackedCacheTest, AContextTakesWhatAnotherOneKept) {
  SessionOptions options;
  options.packed_cache = true;
  const Session session(read_plan_graph(plan()), options);
  const Tensor x = test::random_floats({3, kWidth}, 7), bytes = random_bytes(DType::u8, {3, kWidth}, 8),
               more = test::random_floats({5, kWidth}, 7), more_bytes = random_bytes(DType::u8, {5, kWidth}, 8);
  Context first(session), second(session);
  std::vector<Tensor> outputs;
  {
    const AtomicFile busy(cache());  // somebody else writes it
    outputs = first.run({x.view(), bytes.view()});
    EXPECT_GT(session.packed_bytes(), kWidth * kInner * 4);
  }
  second.run({more.view(), more_bytes.view()});
  EXPECT_LT(session.packed_bytes(), 2000);
  Result before, after;
  before.outputs = std::move(outputs);
  after.outputs = first.run({x.view(), bytes.view()});  // bound again, to what is mapped
  expect_same(before, after);
}

TEST_F(PackedCacheTest, DamageIsMadeGood) {
  const Result plain = run(false);
  run(true);
  const std::string good = read_file(cache());
  std::uint64_t entries = 0;
  std::memcpy(&entries, good.data() + 24, sizeof entries);
  ASSERT_EQ(entries, 3U);
  const std::size_t table_end = kHeader + entries * kEntry;
  const auto expect_mended = [&](const std::string& bad, std::size_t where) {
    test::write_text(cache(), bad);
    const Result result = run(true);
    expect_same(plain, result);
    EXPECT_EQ(result.warnings.size() + result.infos.size(), 1U) << where;
    EXPECT_TRUE(read_file(cache()) == good) << where;
  };
  for (std::size_t i = 0; i < table_end; i += 7) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    expect_mended(bad, i);
  }
  for (std::size_t entry = 0; entry < entries; ++entry) {
    std::uint64_t at = 0, bytes = 0;
    std::memcpy(&at, good.data() + kHeader + entry * kEntry + 56, sizeof at);
    std::memcpy(&bytes, good.data() + kHeader + entry * kEntry + 64, sizeof bytes);
    EXPECT_EQ(at % 4096, 0U);
    for (const std::uint64_t byte : {std::uint64_t{0}, bytes / 2, bytes - 1}) {
      std::string bad = good;
      bad[at + byte] = static_cast<char>(bad[at + byte] ^ 1);
      expect_mended(bad, at + byte);
    }
  }
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, kHeader - 1, kHeader, table_end, good.size() - 1})
    expect_mended(good.substr(0, length), length);
  expect_mended(good + "x", good.size());
}

TEST_F(PackedCacheTest, ForgedTablesAreNotFollowed) {
  const Result plain = run(false);
  run(true);
  const std::string good = read_file(cache());
  for (std::size_t field = 0; field < 11; ++field)  // but for the checksum
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{1} << 40,
                                      ~std::uint64_t{0}, ~std::uint64_t{0} << 12}) {
      forge(good, kHeader + field * 8, value);
      expect_same(plain, run(true));
      if (field == 0) forge(good, 24, value);  // the number of entries
      expect_same(plain, run(true));
    }
}

TEST_F(PackedCacheTest, OfAnotherPlanOrLevelIsMadeAnew) {
  run(true);
  const std::string old = read_file(cache());
  write_plan_graph(plan(), products(2));
  const Result plain = run(false), other = run(true);
  expect_same(plain, other);
  ASSERT_EQ(other.infos.size(), 1U);
  EXPECT_NE(other.infos[0].find("of another plan"), std::string::npos);
  const std::string good = read_file(cache());
  EXPECT_NE(good, old);

  const PackedIdentity here{read_plan_graph(plan()).source->identity(), kernels::cpu_level()};
  const auto level = here.level == kernels::CpuLevel::scalar ? kernels::CpuLevel::amx : kernels::CpuLevel::scalar;
  write_packed_file(cache(), {here.plan, level}, PackedFile(cache(), here).read_all());
  const Result again = run(true);
  expect_same(plain, again);
  ASSERT_EQ(again.infos.size(), 1U);
  EXPECT_NE(again.infos[0].find("of another CPU level"), std::string::npos);
  EXPECT_EQ(read_file(cache()), good);
}

TEST_F(PackedCacheTest, GoesOnWithoutWhereItCannotBeWritten) {
  const Result plain = run(false);
  fs::create_directory(cache());  // stops root as well
  SessionOptions options;
  std::vector<std::string> warnings;
  options.packed_cache = true;
  options.log = [&](LogLevel level, const std::string& text) {
    if (level == LogLevel::kWarning) warnings.push_back(text);
  };
  const Session session(read_plan_graph(plan()), options);
  Context context(session);
  for (const std::int64_t batch : {3, 4, 5})
    context.run({test::random_floats({batch, kWidth}, 7).view(), random_bytes(DType::u8, {batch, kWidth}, 8).view()});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find(cache().string()), std::string::npos) << warnings[0];
  EXPECT_EQ(session.packed_bytes(), plain.packed_bytes);
  expect_same(plain, run(true));
}

TEST_F(PackedCacheTest, SparesTheReadingOfThePlansOwnWeights) {
  constexpr std::int64_t kLong = 1024;  // several blocks of weights
  test::GraphWriter g("large");
  const ValueId x = g.input("x", DType::f32, {-1, kLong}, {"batch", ""});
  write_plan_graph(plan(), g.finish({g.node("FusedMatMul", {x, g.weights({kLong, kLong})},
                                            {{"activation", std::string()}}, "edgeclip")}));
  const Tensor input = test::random_floats({2, kLong}, 1);
  const auto product = [&](bool with_cache, const Tensor& in) {
    SessionOptions options = {};
    options.packed_cache = with_cache;
    options.log = silent_log();
    const Session session(read_plan_graph(plan()), options);
    return Context(session).run({in.view()}).at(0);
  };
  const Tensor good = product(true, input);
  std::string bytes = read_file(plan());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  test::write_text(plan(), bytes);
  EXPECT_EQ(test::max_difference(product(true, input), good), 0);  // nobody looked
  EXPECT_THROW(product(false, input), InvalidInput);
  EXPECT_THROW(product(true, Tensor(DType::f32, {0, kLong})), InvalidInput);  // the readable kernel would look
  fs::remove(cache());
  EXPECT_THROW(product(true, input), InvalidInput);
}

TEST(PackedCache, IsOfNoEffectOnGraphsOfNoPlan) {
  SessionOptions options;
  options.packed_cache = true;
  const Session session(products(1), options);
  const Tensor x = test::random_floats({1, kWidth}, 7), bytes = random_bytes(DType::u8, {1, kWidth}, 8);
  EXPECT_EQ(Context(session).run({x.view(), bytes.view()}).size(), 2U);
  EXPECT_GT(session.packed_bytes(), 0);
}

}  // namespace
}  // namespace edgeclip::engine
