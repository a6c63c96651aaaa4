#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(BitShift, BeyondTheBitsOnlyTheSignIsLeft) {
  using Bytes = std::vector<std::int8_t>;
  const auto x = Tensor::from<std::int8_t>({4}, {-128, -128, 127, 1}),
             by = Tensor::from<std::int8_t>({4}, {7, 8, -1, 7});
  const auto shift = [&](const char* direction) {
    return elements_of<std::int8_t>(
        run_node("BitShift", {x, by}, {{"direction", std::string(direction)}})[0]);
  };
  EXPECT_EQ(shift("RIGHT"), (Bytes{-1, -1, 0, 0}));
  EXPECT_EQ(shift("LEFT"), (Bytes{0, 0, 0, -128}));
  refusal_of([&] { run_node("BitShift", {x, by}, {{"direction", std::string("LEFT")}}, 11); });
  refusal_of([&] { run_node("BitShift", {x, by}, {{"direction", std::string("left")}}); });
  refusal_of([&] { run_node("BitShift", {x, by}); });
}

TEST(Bitwise, IntegersOnly) {
  const auto x = Tensor::from<std::uint8_t>({2}, {0x0f, 0xf0}), y = Tensor::from<std::uint8_t>({1}, {0x3c});
  using Bytes = std::vector<std::uint8_t>;
  EXPECT_EQ(elements_of<std::uint8_t>(run_node("BitwiseAnd", {x, y})[0]), (Bytes{0x0c, 0x30}));
  EXPECT_EQ(elements_of<std::uint8_t>(run_node("BitwiseOr", {x, y})[0]), (Bytes{0x3f, 0xfc}));
  EXPECT_EQ(elements_of<std::uint8_t>(run_node("BitwiseXor", {x, y})[0]), (Bytes{0x33, 0xcc}));
  EXPECT_EQ(elements_of<std::uint8_t>(run_node("BitwiseNot", {x})[0]), (Bytes{0xf0, 0x0f}));
  refusal_of([&] { run_node("BitwiseNot", {floats({1}, {1})}); });
  refusal_of([&] { run_node("BitwiseAnd", {x, longs({1}, {1})}); });
}

}  // namespace
}  // namespace edgeclip::engine
