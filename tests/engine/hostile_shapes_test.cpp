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

}  // namespace
}  // namespace edgeclip::engine
