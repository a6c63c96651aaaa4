// DepthToSpace and SpaceToDepth undo each other; hostile block sizes.
#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using test::elements_of;
using test::refusal_of;
using test::run_node;

TEST(SpaceToDepth, UndoesDepthToSpace) {
  std::vector<std::int16_t> values;
  for (std::int16_t i = 0; i < 2 * 8 * 3 * 2; ++i) values.push_back(i);
  const Tensor x = Tensor::from<std::int16_t>({2, 8, 3, 2}, values);
  for (const char* mode : {"DCR", "CRD"}) {
    const test::Attributes attributes = {{"blocksize", std::int64_t{2}}, {"mode", mode}};
    const Tensor spacious = run_node("DepthToSpace", 28, attributes, {x})[0];
    EXPECT_EQ(spacious.shape(), (Shape{2, 2, 6, 4}));
    // the second element of the first row comes from the channel one block column on
    EXPECT_EQ(spacious.data<std::int16_t>()[1], mode == std::string("DCR") ? 2 * 6 : 6);
    EXPECT_EQ(elements_of<std::int16_t>(run_node("SpaceToDepth", 28, attributes, {spacious})[0]), values);
  }
}

TEST(SpaceToDepth, RefusesBlocksThatDoNotFit) {
  const auto depth = [](std::int64_t block, const Shape& shape) {
    return refusal_of("DepthToSpace", 13, {{"blocksize", block}}, {shape});
  };
  const auto space = [](std::int64_t block, const Shape& shape) {
    return refusal_of("SpaceToDepth", 13, {{"blocksize", block}}, {shape});
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  EXPECT_EQ(depth(2, {1, 4, 2, 2}), "");
  EXPECT_EQ(space(2, {1, 4, 2, 2}), "");
  for (const std::int64_t block : {std::int64_t{0}, std::int64_t{-2}, kHuge, std::int64_t{3}}) {
    EXPECT_NE(depth(block, {1, 4, 2, 2}), "") << block;
    EXPECT_NE(space(block, {1, 4, 2, 2}), "") << block;
  }
  EXPECT_NE(depth(1 << 20, {1, 0, kHuge, 1}), "");
  EXPECT_NE(space(1 << 20, {1, kHuge, 0, 0}), "");
  EXPECT_NE(depth(2, {4, 2, 2}), "");
  EXPECT_NE(refusal_of("DepthToSpace", 10, {{"blocksize", std::int64_t{2}}, {"mode", "DCR"}}, {{1, 4, 2, 2}}),
            "");
  EXPECT_NE(refusal_of("DepthToSpace", 11, {{"blocksize", std::int64_t{2}}, {"mode", "RCD"}}, {{1, 4, 2, 2}}),
            "");
}

}  // namespace
}  // namespace edgeclip::engine
