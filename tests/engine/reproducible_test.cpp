// What docs/numerics.md says of results: which are the same to the bit, and which to a rounding.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/float16.h"
#include "base/hash.h"
#include "engine/small_graphs.h"

namespace edgeclip::engine {
namespace {

using Ints = std::vector<std::int64_t>;

/// A model of one kind, of batches of rows of one shape.
struct Model {
  const char* name;
  Graph (*graph)();
  Shape row;
  float rounding = 1e-5f;  ///< how far apart sums in another order end
  friend void PrintTo(const Model& model, std::ostream* out) { *out << model.name; }
};

Graph encoder() { return test::transformer_block(96, 6); }

/// Convolutions, grouped and not, a pool and a product of what is left.
Graph convolutions() {
  test::GraphWriter g("convolutions");
  ValueId y = g.input("x", DType::f32, {-1, 8, 12, 12}, {"batch", "", "", ""});
  const std::map<std::string, Attribute> same = {{"pads", Ints{1, 1, 1, 1}}};
  y = g.node("Relu", {g.node("Conv", {y, g.weights({16, 8, 3, 3}), g.weights({16})}, same)});
  auto grouped = same;
  grouped["group"] = std::int64_t{16};
  y = g.node("Sigmoid", {g.node("Conv", {y, g.weights({16, 1, 3, 3}), g.weights({16})}, grouped)});
  y = g.node("MaxPool", {y}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  y = g.node("Flatten", {g.node("GlobalAveragePool", {y})});
  return g.finish({g.node("MatMul", {y, g.weights({16, 10})})});
}

/// The same two products with weights in bfloat16.
Graph narrow_products() {
  test::GraphWriter g("narrow");
  const auto weights = [&](const Shape& shape, std::uint64_t seed) {
    const Tensor wide = test::random_floats(shape, seed, 0.2);
    Tensor result(DType::bf16, shape);
    narrow(wide.data<float>(), DType::bf16, result.raw(), wide.elements());
    return g.constant(std::move(result));
  };
  ValueId y = g.input("x", DType::f32, {-1, 5, 64}, {"batch", "", ""});
  y = g.node("FusedMatMul", {y, weights({64, 256}, 1)}, {{"activation", std::string("gelu")}}, "edgeclip");
  y = g.node("FusedMatMul", {y, weights({256, 64}, 2)}, {{"activation", std::string()}}, "edgeclip");
  return g.finish({y});
}

/// Calibrated int8: one scale for all activations, of the file and not of the batch.
Graph quantized_product() {
  test::GraphWriter g("int8");
  ValueId y = g.input("x", DType::f32, {-1, 5, 64}, {"batch", "", ""});
  const ValueId scale = g.constant(Tensor::from<float>({}, {0.05f})),
                zero = g.constant(Tensor::from<std::uint8_t>({}, {128}));
  y = g.node("QuantizeLinear", {y, scale, zero});
  Tensor weights(DType::i8, {64, 32});
  Rng rng(3);
  for (std::int64_t i = 0; i < weights.elements(); ++i)
    weights.data<std::int8_t>()[i] = static_cast<std::int8_t>(rng.range(-60, 60));
  Tensor scales(DType::f32, {32});
  for (std::int64_t i = 0; i < 32; ++i) scales.data<float>()[i] = 0.01f;
  y = g.node("QuantMatMul", {y, g.constant(std::move(weights)), g.constant(std::move(scales))},
             {{"a_scale", 0.05f}, {"a_zero_point", std::int64_t{128}}, {"activation", std::string()}},
             "edgeclip");
  return g.finish({y});
}

const Model kModels[] = {{"encoder", encoder, {11, 96}},
                         {"convolutions", convolutions, {8, 12, 12}},
                         // A CPU that multiplies bfloat16 rounds activations to it, and a sum in another
                         // order may round the other way.
                         {"narrow", narrow_products, {5, 64}, 2e-2f},
                         {"int8", quantized_product, {5, 64}}};

Tensor batch_of(const Model& model, std::int64_t rows, std::uint64_t seed) {
  Shape shape = model.row;
  shape.insert(shape.begin(), rows);
  return test::random_floats(shape, seed);
}

SessionOptions by_threads(int threads) {
  SessionOptions options;
  options.threads = threads;
  return options;
}

Tensor run_once(const Model& model, const Tensor& x, int threads = 2) {
  const Session session(model.graph(), by_threads(threads));
  return Context(session).run({x.view()}).at(0);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// Row i of a batch.
const std::byte* row_of(const Tensor& batch, std::int64_t i) {
  return batch.raw() + static_cast<std::size_t>(i) * batch.bytes() / static_cast<std::size_t>(batch.dim(0));
}

class Reproducible : public testing::TestWithParam<Model> {};

TEST_P(Reproducible, FromRunToRunAndFromSessionToSession) {
  const Tensor x = batch_of(GetParam(), 8, 1);
  const Tensor first = run_once(GetParam(), x);
  EXPECT_TRUE(same_bits(first, run_once(GetParam(), x)));
  const Session session(GetParam().graph(), by_threads(2));
  Context context(session), other(session);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(same_bits(first, context.run({x.view()}).at(0))) << i;
    other.run({batch_of(GetParam(), i + 1, 2).view()});  // whatever ran in between, and elsewhere in memory
    const Tensor moved = x.clone();
    EXPECT_TRUE(same_bits(first, other.run({moved.view()}).at(0))) << i;
  }
}

TEST_P(Reproducible, InContextsOfSeveralThreadsAtOnce) {
  const Tensor x = batch_of(GetParam(), 8, 1);
  const Tensor first = run_once(GetParam(), x);
  const Session session(GetParam().graph(), by_threads(2));
  std::array<int, 4> same = {};
  std::vector<std::thread> threads;
  for (int& count : same)
    threads.emplace_back([&] {
      Context context(session);
      for (int i = 0; i < 10; ++i) count += same_bits(first, context.run({x.view()}).at(0));
    });
  for (std::thread& thread : threads) thread.join();
  for (const int count : same) EXPECT_EQ(count, 10);
}

TEST_P(Reproducible, WhateverTheOtherRowsOfTheBatchAre) {
  const std::int64_t rows = 8;
  const Tensor x = batch_of(GetParam(), rows, 1);
  const Session session(GetParam().graph(), by_threads(2));
  Context context(session);
  const Tensor expected = context.run({x.view()}).at(0);
  const std::size_t in = x.bytes() / rows, out = expected.bytes() / rows;
  for (const float filling : {NAN, 0.0f, 1e30f, 3.0f}) {
    for (const std::int64_t kept : {std::int64_t{0}, std::int64_t{3}, rows - 1}) {
      Tensor changed = x.clone();
      std::fill_n(changed.data<float>(), changed.elements(), filling);
      std::memcpy(changed.raw() + static_cast<std::size_t>(kept) * in, row_of(x, kept), in);
      const Tensor result = context.run({changed.view()}).at(0);
      EXPECT_EQ(std::memcmp(row_of(result, kept), row_of(expected, kept), out), 0)
          << "row " << kept << " among rows of " << filling;
    }
  }
}

TEST_P(Reproducible, ARowAloneIsEqualToARounding) {
  const Tensor x = batch_of(GetParam(), 8, 1);
  const Tensor all = run_once(GetParam(), x);
  for (const std::int64_t row : {0, 5}) {
    Tensor alone = batch_of(GetParam(), 1, 1);
    std::memcpy(alone.raw(), row_of(x, row), alone.bytes());
    const Tensor result = run_once(GetParam(), alone);
    const auto* expected = reinterpret_cast<const float*>(row_of(all, row));
    for (std::int64_t i = 0; i < result.elements(); ++i)
      EXPECT_NEAR(result.data<float>()[i], expected[i],
                  GetParam().rounding * std::max(1.0f, std::fabs(expected[i])))
          << i;
  }
}

TEST_P(Reproducible, AnotherThreadCountIsEqualToARounding) {
  const Tensor x = batch_of(GetParam(), 8, 1);
  const Tensor one = run_once(GetParam(), x, 1), three = run_once(GetParam(), x, 3);
  for (std::int64_t i = 0; i < one.elements(); ++i) {
    const float a = one.data<float>()[i], b = three.data<float>()[i];
    EXPECT_NEAR(a, b, GetParam().rounding * std::max(1.0f, std::fabs(a))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Reproducible, testing::ValuesIn(kModels),
                         [](const testing::TestParamInfo<Model>& info) {
                           return std::string(info.param.name);
                         });

/// A checksum of what all models give.
std::string digest() {
  std::string all;
  for (const Model& model : kModels) {
    const Tensor result = run_once(model, batch_of(model, 8, 1));
    all += hash_bytes(result.raw(), result.bytes());
  }
  return all;
}

constexpr const char* kAnswerTo = "EDGECLIP_DIGEST_FILE";

/// The other process of the test below; by itself it has nothing to do.
TEST(ReproducibleDigest, DISABLED_OfThisProcess) {
  const char* file = std::getenv(kAnswerTo);
  ASSERT_NE(file, nullptr) << "is run by ReproducibleDigest.OfAnotherProcess";
  test::write_text(file, digest());
}

TEST(ReproducibleDigest, OfAnotherProcess) {
  test::TempDir dir;
  const std::string file = (dir.path() / "digest").string();
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = fmt::format(
      "{}='{}' '{}' --gtest_also_run_disabled_tests '--gtest_filter=*OfThisProcess' >'{}.log' 2>&1",
      kAnswerTo, file, program, file);
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::FILE* in = std::fopen(file.c_str(), "r");
  ASSERT_NE(in, nullptr);
  char text[512] = {};
  const std::size_t read = std::fread(text, 1, sizeof text - 1, in);
  std::fclose(in);
  EXPECT_GT(read, 0u);
  EXPECT_EQ(std::string(text, read), digest());
}

}  // namespace
}  // namespace edgeclip::engine
