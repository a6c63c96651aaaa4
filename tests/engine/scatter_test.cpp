#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

const std::vector<std::int64_t> kLowest = {std::numeric_limits<std::int64_t>::min()};

TEST(ScatterElements, Reductions) {
  const auto x = floats({3}, {1, 2, 3}), updates = floats({2}, {5, -7});
  const auto at = longs({2}, {1, -2});
  const auto run = [&](const std::string& reduction) {
    return elements_of<float>(run_node("ScatterElements", {x, at, updates}, {{"reduction", reduction}})[0]);
  };
  EXPECT_EQ(run("add"), (std::vector<float>{1, 0, 3}));
  EXPECT_EQ(run("mul"), (std::vector<float>{1, -70, 3}));
  EXPECT_EQ(run("max"), (std::vector<float>{1, 5, 3}));
  EXPECT_EQ(run("min"), (std::vector<float>{1, -7, 3}));
  EXPECT_EQ(run("none"), (std::vector<float>{1, -7, 3}));
}

TEST(ScatterElements, Refusals) {
  const auto x = floats({2, 2}, {1, 2, 3, 4}), one = floats({1, 1}, {5});
  EXPECT_NE(invalid_input_of([&] {
              run_node("ScatterElements", {x, longs({1, 1}, {2}), one});
            }).find("index 2 is out of range for a dimension of 2"),
            std::string::npos);
  refusal_of([&] { run_node("ScatterElements", {x, longs({1, 1}, kLowest), one}); });
  refusal_of([&] { run_node("ScatterElements", {x, longs({1, 3}, {0, 0, 0}), floats({1, 3}, {1, 2, 3})}); });
  refusal_of([&] { run_node("ScatterElements", {x, longs({1, 2}, {0, 0}), one}); });
  refusal_of([&] { run_node("ScatterElements", {x, longs({1}, {0}), floats({1}, {1})}); });
  const Attributes most = {{"reduction", std::string("max")}};
  refusal_of([&] {
    run_node("ScatterElements", {x, longs({1, 1}, {0}), one}, {{"reduction", std::string("sum")}});
  });
  unsupported_of([&] { run_node("ScatterElements", {x, longs({1, 1}, {0}), one}, most, 15); });
  const auto flags = Tensor::from<bool>({1}, {true});
  unsupported_of([&] { run_node("ScatterElements", {flags, longs({1}, {0}), flags}, most); });
}

TEST(ScatterND, RowsAndElements) {
  const auto x = floats({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(elements_of<float>(run_node("ScatterND", {x, longs({1, 1}, {-1}), floats({1, 2}, {5, 6})})[0]),
            (std::vector<float>{1, 2, 5, 6}));
  EXPECT_EQ(elements_of<float>(run_node("ScatterND", {x, longs({1, 2}, {0, 1}), floats({1}, {9})},
                                        {{"reduction", std::string("add")}})[0]),
            (std::vector<float>{1, 11, 3, 4}));
}

TEST(ScatterND, Refusals) {
  const auto x = floats({2, 2}, {1, 2, 3, 4});
  refusal_of([&] { run_node("ScatterND", {x, longs({1, 1}, {2}), floats({1, 2}, {5, 6})}); });
  refusal_of([&] { run_node("ScatterND", {x, longs({1, 1}, kLowest), floats({1, 2}, {5, 6})}); });
  refusal_of([&] { run_node("ScatterND", {x, longs({1, 3}, {0, 0, 0}), floats({1}, {1})}); });
  refusal_of([&] { run_node("ScatterND", {x, longs({1, 1}, {0}), floats({2}, {5, 6})}); });
}

TEST(TensorScatter, WritesAroundTheEndOfTheCache) {
  const auto cache = floats({1, 3, 1}, {1, 2, 3}), update = floats({1, 2, 1}, {8, 9});
  const Attributes circular = {{"mode", std::string("circular")}};
  EXPECT_EQ(elements_of<float>(run_node("TensorScatter", {cache, update, longs({1}, {5})}, circular)[0]),
            (std::vector<float>{9, 2, 8}));
  EXPECT_EQ(elements_of<float>(run_node("TensorScatter", {cache, update})[0]), (std::vector<float>{8, 9, 3}));
  refusal_of([&] { run_node("TensorScatter", {cache, update, longs({1}, {2})}); });
  refusal_of([&] { run_node("TensorScatter", {cache, update, longs({1}, kLowest)}, circular); });
}

}  // namespace
}  // namespace edgeclip::engine
