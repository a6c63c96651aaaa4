#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(Compress, TheShapeFollowsFromAConstantCondition) {
  const auto x = floats({2, 3}, {1, 2, 3, 4, 5, 6}), condition = Tensor::from<bool>({2}, {false, true});
  EXPECT_EQ(elements_of<float>(run_node("Compress", {x, condition}, {{"axis", std::int64_t{1}}})[0]),
            (std::vector<float>{2, 5}));
  EXPECT_EQ(elements_of<float>(run_node("Compress", {x, condition})[0]), (std::vector<float>{2}));
  EXPECT_THROW(infer_shape("Compress", {{DType::f32, {2}}, {DType::boolean, {2}}}), DependsOnData);
  refusal_of([&] {
    run_node("Compress", {x, Tensor::from<bool>({3}, {true, true, true})}, {{"axis", std::int64_t{0}}});
  });
  refusal_of([&] { run_node("Compress", {x, longs({2}, {0, 1})}); });
}

}  // namespace
}  // namespace edgeclip::engine
