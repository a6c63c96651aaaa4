// What a graph of float32 becomes for a plan of another precision.
#include <gtest/gtest.h>

#include <cmath>

#include "base/float16.h"
#include "builder/passes/passes.h"
#include "builder/precision/narrow_weights.h"
#include "builder/precision/quantize_tables.h"
#include "engine/graph_support.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"
#include "engine/small_graphs.h"

namespace edgeclip::builder {
namespace {

using namespace engine;
namespace small = engine::test;

double relative_difference(const Tensor& a, const Tensor& b) {
  double squares = 0, difference = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double x = a.data<float>()[i], y = b.data<float>()[i];
    squares += x * x;
    difference += (x - y) * (x - y);
  }
  return std::sqrt(difference / squares);
}

std::int64_t bytes_of_constants(const Graph& graph) {
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < graph.value_count(); ++i)
    if (const auto& constant = graph.value(static_cast<ValueId>(i)).constant)
      bytes += static_cast<std::int64_t>(constant->bytes());
  return bytes;
}

class NarrowWeights : public testing::TestWithParam<DType> {};

TEST_P(NarrowWeights, HalvesThemAndKeepsTheResult) {
  Graph graph = small::transformer_block(48, 4);
  optimize(graph);
  const std::int64_t before = bytes_of_constants(graph);
  const Tensor x = small::random_floats({3, 7, 48}, 5);
  const Tensor expected = run_reference(graph, {x.view()}).at(0);
  EXPECT_GT(narrow_weights(graph, GetParam()), 3);
  EXPECT_LT(bytes_of_constants(graph), before * 11 / 20);
  // 8 bits of precision in bfloat16, 11 in float16; errors of many elements average out.
  const double bound = GetParam() == DType::bf16 ? 4e-3 : 5e-4;
  EXPECT_LE(relative_difference(expected, run_reference(graph, {x.view()}).at(0)), bound);
  const Session session(graph, {});
  Context context(session);
  EXPECT_LE(relative_difference(expected, context.run({x.view()}).at(0)), bound);
  for (const Context::Layer& layer : context.layers({x.shape()})) EXPECT_NE(layer.kernel, "reference") << layer.op;
}

TEST_P(NarrowWeights, OfConvolutionsAndTables) {
  edgeclip::test::GraphMaker m;
  const ValueId x = m.input("x", DType::f32, {2, 3, 9, 8}), ids = m.input("ids", DType::i64, {2, 5});
  const auto weights = [&](const Shape& shape, std::uint64_t seed) {
    const Tensor t = small::random_floats(shape, seed);
    return m.constant<float>(shape, {t.data<float>(), t.data<float>() + t.elements()});
  };
  const ValueId y = m.node("Conv", {x, weights({4, 3, 3, 3}, 1), weights({4}, 2)},
                           {{"pads", std::vector<std::int64_t>{1, 1, 1, 1}}});
  const ValueId rows = m.node("Gather", {weights({10, 6}, 3), ids});
  m.graph.outputs = {y, rows};
  Graph graph = m.graph;
  const Tensor pixels = small::random_floats({2, 3, 9, 8}, 4),
               places = Tensor::from<std::int64_t>({2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  const std::vector<TensorView> inputs = {pixels.view(), places.view()};
  const auto expected = run_reference(graph, inputs);
  EXPECT_EQ(narrow_weights(graph, GetParam()), 2);
  EXPECT_EQ(narrow_weights(graph, GetParam()), 0);
  const double bound = GetParam() == DType::bf16 ? 4e-3 : 5e-4;
  const auto readable = run_reference(graph, inputs);
  const Session session(graph, {});
  const auto fast = Context(session).run(inputs);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LE(relative_difference(expected[i], readable[i]), bound);
    EXPECT_LE(relative_difference(expected[i], fast[i]), bound);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, NarrowWeights, testing::Values(DType::bf16, DType::f16),
                         [](const testing::TestParamInfo<DType>& info) {
                           return std::string(dtype_name(info.param));
                         });

TEST(NarrowWeights, LeavesConvolutionsWithoutFusedForm) {
  edgeclip::test::GraphMaker m;
  const ValueId x = m.input("x", DType::f32, {1, 1, 2, 2, 2, 2});
  m.graph.outputs = {m.node("Conv", {x, m.constant<float>({1, 1, 1, 1, 1, 1}, {2})})};
  EXPECT_EQ(narrow_weights(m.graph, DType::bf16), 0);
}

TEST(NarrowWeights, KeepsWhatFloat16CannotHold) {
  edgeclip::test::GraphMaker m;
  const ValueId ids = m.input("ids", DType::i64, {1});
  m.graph.outputs = {m.node("Gather", {m.constant<float>({2, 2}, {1, 2, 3, 70000}), ids})};
  Graph graph = m.graph;
  EXPECT_EQ(narrow_weights(graph, DType::f16), 0);
  EXPECT_EQ(narrow_weights(graph, DType::bf16), 1);
}

TEST(WidenHalf, ComputesInFloat32AndKeepsWhatGoesInAndOut) {
  edgeclip::test::GraphMaker m;
  const ValueId x = m.input("x", DType::f16, {2, 4});
  Tensor weights(DType::f16, {4, 3});
  const Tensor wide = small::random_floats({4, 3}, 1);
  narrow(wide.data<float>(), DType::f16, weights.raw(), 12);
  const ValueId y = m.node("Relu", {m.node("MatMul", {x, m.graph.add_constant("w", weights)})});
  const ValueId z = m.node("Cast", {y}, {{"to", std::int64_t{10}}});
  m.graph.outputs = {y, z, x};
  Graph graph = m.graph;
  Tensor in(DType::f16, {2, 4});
  narrow(small::random_floats({2, 4}, 2).data<float>(), DType::f16, in.raw(), 8);
  const auto expected = run_reference(graph, {in.view()});
  optimize(graph);
  for (std::size_t i = 0; i < graph.value_count(); ++i)
    if (const auto& constant = graph.value(static_cast<ValueId>(i)).constant) {
      EXPECT_EQ(constant->dtype(), DType::f32);
    }
  const Session session(graph, {});
  Context context(session);
  const auto given = context.run({in.view()});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(given[i].dtype(), DType::f16);
    const Tensor a = widened(expected[i].view()), b = widened(given[i].view());
    EXPECT_LE(small::max_difference(a, b), 4e-3) << i;  // an ulp or two
  }
  for (const Context::Layer& layer : context.layers({{2, 4}})) EXPECT_NE(layer.kernel, "reference") << layer.op;
}

TEST(QuantizeTables, RowsKeepTheirOwnScale) {
  edgeclip::test::GraphMaker m;
  const ValueId ids = m.input("ids", DType::i32, {2, 3});
  Tensor table = small::random_floats({300, 64}, 1);
  for (std::int64_t k = 0; k < 64; ++k) {
    table.data<float>()[7 * 64 + k] *= 1e-3f;  // a row of small values is as exact as the others
    table.data<float>()[9 * 64 + k] = 0;
  }
  const ValueId constant = m.constant<float>({300, 64}, {table.data<float>(), table.data<float>() + 300 * 64});
  m.graph.outputs = {m.node("Gather", {constant, ids})};
  Graph graph = m.graph;
  EXPECT_EQ(quantize_tables(graph), 0);  // by default not worth it
  EXPECT_EQ(quantize_tables(graph, {}, 1 << 14), 1);
  EXPECT_LT(bytes_of_constants(graph), 300 * 64 + 300 * 4 + 64);
  const Tensor places = Tensor::from<std::int32_t>({2, 3}, {0, 7, 9, -1, 299, 8});
  const Tensor readable = run_reference(graph, {places.view()}).at(0);
  const Session session(graph, {});
  EXPECT_EQ(small::max_difference(Context(session).run({places.view()}).at(0), readable), 0);
  const std::int64_t rows[] = {0, 7, 9, 299, 299, 8};
  for (std::int64_t i = 0; i < 6; ++i) {
    const float* x = table.data<float>() + rows[i] * 64;
    double largest = 0;
    for (std::int64_t k = 0; k < 64; ++k) largest = std::max(largest, std::fabs(static_cast<double>(x[k])));
    for (std::int64_t k = 0; k < 64; ++k)
      EXPECT_NEAR(readable.data<float>()[i * 64 + k], x[k], largest / 254 * 1.0001);
  }
}

TEST(QuantizeTables, LeavesWhatOthersRead) {
  edgeclip::test::GraphMaker m;
  const ValueId ids = m.input("ids", DType::i32, {2, 3});
  const ValueId table = m.constant<float>({300, 64}, std::vector<float>(300 * 64, 1));
  m.graph.outputs = {m.node("Gather", {table, ids}), m.node("Relu", {table})};
  Graph graph = m.graph;
  EXPECT_EQ(quantize_tables(graph, {}, 1), 0);
}

}  // namespace
}  // namespace edgeclip::builder
