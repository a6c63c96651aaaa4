// Shapes that a damaged or hostile model may ask for: refused by the rules, before anything is allocated.
#include <gtest/gtest.h>

#include "engine/graph/shape_inference.h"
#include "engine/ops/interpreter.h"
#include "small_graphs.h"

namespace edgeclip::engine {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 40;

TEST(HostileShapes, AZeroDoesNotHideAProductThatOverflows) {
  std::uint64_t count = 0;
  EXPECT_FALSE(checked_num_elements({kHuge, kHuge, 0}, &count));
  EXPECT_FALSE(checked_num_elements({0, kHuge, kHuge}, &count));
  EXPECT_TRUE(checked_num_elements({0, 3, 224, 224}, &count));
  EXPECT_EQ(count, 0u);
  // 8 bytes for each of them must still be a number of bytes.
  EXPECT_FALSE(checked_num_elements({std::int64_t{1} << 60}, &count));
}

TEST(HostileShapes, AMatMulOfManyMatricesAllocatesNothingInItsRule) {
  // 2^31 matrices of nothing: a list of their offsets would be 16 GiB.
  test::GraphWriter g("stacks");
  const ValueId a = g.input("a", DType::f32, {-1, 1, 0}, {"n", "", ""});
  const ValueId b = g.input("b", DType::f32, {-1, 0, 1}, {"n", "", ""});
  const Graph graph = g.finish({g.node("MatMul", {a, b})});
  const std::int64_t many = std::int64_t{1} << 31;
  const auto facts = infer_shapes(graph, {{many, 1, 0}, {many, 0, 1}});
  EXPECT_EQ(facts[static_cast<std::size_t>(graph.outputs[0])].shape, (Shape{many, 1, 1}));
}

TEST(HostileShapes, NothingToComputeTakesNoTime) {
  // The loops over the other dimension would run 2^40 times.
  test::GraphWriter g("empty");
  const ValueId x = g.input("x", DType::f32, {-1, -1}, {"n", "m"});
  const Graph graph = g.finish({g.node("Softmax", {x}), g.node("CumSum", {x, g.ints({1})})});
  const Tensor element(DType::f32, {1});
  TensorView view = element.view();
  view.shape = {kHuge, 0};
  for (const Tensor& output : run_reference(graph, {view})) EXPECT_EQ(output.shape(), (Shape{kHuge, 0}));
}

/// One by one, what a damaged file may compute a shape from; nothing may be believed, and nothing may abort.
TEST(HostileShapes, SizesComputedFromSymbolsAreNotBelieved) {
  test::GraphWriter g("computed");
  const ValueId x = g.input("x", DType::f32, {-1, 2}, {"n", ""});
  const ValueId size = g.node("Gather", {g.node("Shape", {x}), g.ints({0})});
  std::vector<ValueId> values;
  for (const std::int64_t other : {std::int64_t{-3}, kHuge, INT64_MAX, INT64_MIN}) {
    const ValueId shape = g.node("Concat", {size, g.ints({other, other})}, {{"axis", std::int64_t{0}}});
    for (const ValueId wide :
         {g.node("ConstantOfShape", {shape}), g.node("Expand", {g.node("Relu", {x}), shape}),
          g.node("Reshape", {x, shape}), g.node("Tile", {g.node("ConstantOfShape", {shape}), shape})}) {
      values.push_back(wide);
      // without the symbol
      values.push_back(g.node("ReduceMax", {wide}, {{"axes", std::vector<std::int64_t>{0}}}));
      values.push_back(g.node("Size", {values.back()}));
      values.push_back(g.node("Compress", {wide, g.node("Cast", {g.ints({1})}, {{"to", std::int64_t{9}}})}));
    }
  }
  Graph graph = g.finish(values);
  EXPECT_NO_THROW(annotate_shapes(graph));
  EXPECT_THROW(infer_shapes(graph, {{5, 2}}), InvalidInput);
}

TEST(HostileShapes, ElementsThatDoNotFitTogetherAreRefusedByTheRule) {
  test::GraphWriter g("misfit");
  const ValueId x = g.input("x", DType::f32, {-1, 2, 3}, {"n", "", ""});
  const ValueId shape = g.node("Shape", {x});
  Graph graph = g.finish({g.node("Add", {shape, g.ints({1, 2})}),
                          g.node("Where", {g.node("Equal", {shape, shape}), shape, g.ints({1, 2})}),
                          g.node("Gather", {shape, g.ints({7})})});
  EXPECT_NO_THROW(annotate_shapes(graph));
  EXPECT_THROW(infer_shapes(graph, {{5, 2, 3}}), InvalidInput);
}

}  // namespace
}  // namespace edgeclip::engine
