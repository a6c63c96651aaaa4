#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(Det, OfAStack) {
  EXPECT_EQ(elements_of<float>(run_node("Det", {floats({2, 2, 2}, {0, 1, 2, 0, 1, 2, 2, 4})})[0]),
            (std::vector<float>{-2, 0}));
  EXPECT_EQ(elements_of<float>(run_node("Det", {floats({0, 0}, {})})[0]), (std::vector<float>{1}));
  refusal_of([&] { run_node("Det", {floats({1, 2}, {1, 2})}); });
  refusal_of([&] { run_node("Det", {floats({1}, {1})}); });
}

}  // namespace
}  // namespace edgeclip::engine
