#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(OneHot, OutsideIsOff) {
  const auto values = floats({2}, {0, 1}), indices = longs({4}, {1, -1, 2, -3});
  EXPECT_EQ(elements_of<float>(run_node("OneHot", {indices, longs({}, {2}), values})[0]),
            (std::vector<float>{0, 1, 0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(elements_of<float>(run_node("OneHot", {indices, longs({1}, {2}), values}, {}, 10)[0]),
            (std::vector<float>{0, 1, 0, 0, 0, 0, 0, 0}));  // negative ones are outside
  const auto wide = Tensor::from<std::uint64_t>({1}, {~std::uint64_t{0}});
  EXPECT_EQ(elements_of<float>(run_node("OneHot", {wide, floats({}, {2.5F}), values})[0]),
            (std::vector<float>{0, 0}));
}

TEST(OneHot, Refusals) {
  const auto values = floats({2}, {0, 1}), indices = longs({1}, {0});
  const std::int64_t large = std::int64_t{1} << 41;
  refusal_of([&] { run_node("OneHot", {indices, longs({}, {0}), values}); });
  refusal_of([&] { run_node("OneHot", {indices, longs({}, {large}), values}); });
  refusal_of([&] { run_node("OneHot", {indices, floats({}, {1e30F}), values}); });
  refusal_of([&] { run_node("OneHot", {indices, longs({2}, {1, 1}), values}); });
  refusal_of([&] { run_node("OneHot", {indices, longs({}, {1}), floats({1}, {0})}); });
  refusal_of([&] { run_node("OneHot", {indices, longs({}, {1}), values}, {{"axis", std::int64_t{2}}}); });
  EXPECT_THROW(infer_shape("OneHot", {{DType::i64, {1}}, {DType::i64, {}}, {DType::f32, {2}}}),
               DependsOnData);
}

TEST(EyeLike, DiagonalsOutsideLeaveZeros) {
  const auto x = longs({2, 2}, {7, 7, 7, 7});
  const auto eye = [&](std::int64_t k) {
    return elements_of<std::int64_t>(run_node("EyeLike", {x}, {{"k", k}})[0]);
  };
  EXPECT_EQ(eye(-1), (std::vector<std::int64_t>{0, 0, 1, 0}));
  EXPECT_EQ(eye(std::numeric_limits<std::int64_t>::max()), (std::vector<std::int64_t>{0, 0, 0, 0}));
  EXPECT_EQ(eye(std::numeric_limits<std::int64_t>::min()), (std::vector<std::int64_t>{0, 0, 0, 0}));
  refusal_of([&] { run_node("EyeLike", {longs({2}, {1, 2})}); });
  unsupported_of([&] { run_node("EyeLike", {x}, {{"dtype", std::int64_t{8}}}); });
}

}  // namespace
}  // namespace edgeclip::engine
