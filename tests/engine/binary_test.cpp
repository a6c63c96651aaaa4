#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(Binary, BroadcastingIsAskedForBeforeOpset7) {
  const auto a = floats({2, 2}, {1, 2, 3, 4}), b = floats({2}, {10, 20});
  const auto broadcast = [](std::int64_t axis) {
    return Attributes{{"broadcast", std::int64_t{1}}, {"axis", axis}};
  };
  EXPECT_EQ(elements_of<float>(run_node("Add", {a, b}, broadcast(1), 6)[0]),
            (std::vector<float>{11, 22, 13, 24}));
  unsupported_of([&] { run_node("Add", {a, b}, broadcast(0), 6); });
  refusal_of([&] { run_node("Add", {a, b}, {}, 6); });
  refusal_of([&] { run_node("Add", {b, a}, broadcast(0), 6); });
  unsupported_of([&] { run_node("Add", {a, b}, broadcast(1), 7); });
  EXPECT_EQ(elements_of<float>(run_node("Max", {a, a}, {}, 7)[0]), (std::vector<float>{1, 2, 3, 4}));
  refusal_of([&] { run_node("Max", {a, b}, {}, 7); });
}

}  // namespace
}  // namespace edgeclip::engine
