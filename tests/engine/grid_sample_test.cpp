// GridSample and AffineGrid: hostile coordinates, and what the shape rules refuse.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using test::elements_of;
using test::Ints;
using test::refusal_of;
using test::run_node;

/// A coordinate may be anything; what is read stays inside the image, and a constant image stays constant.
TEST(GridSample, AnyCoordinateStaysInside) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> far = {std::nanf(""), infinity, -infinity, 1e30F, -1e30F, 3, -3, 1};
  std::vector<float> grid;
  for (const float x : far)
    for (const float y : far) grid.insert(grid.end(), {x, y});
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    for (const char* padding : {"border", "reflection"}) {
      for (const std::int64_t align : {0, 1}) {
        for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{1, 1, 2, 3}}) {
          const Tensor x = Tensor::from<float>(
              shape, std::vector<float>(static_cast<std::size_t>(num_elements(shape)), 7));
          const auto y = run_node("GridSample", 20,
                                  {{"mode", mode}, {"padding_mode", padding}, {"align_corners", align}},
                                  {x, Tensor::from<float>({1, 8, 8, 2}, grid)});
          for (const float value : elements_of<float>(y[0])) EXPECT_NEAR(value, 7, 1e-5);
        }
      }
    }
    const auto zeros = run_node("GridSample", 20, {{"mode", mode}},
                                {Tensor::from<float>({1, 1, 1, 1}, {7}),
                                 Tensor::from<float>({1, 1, 2, 2}, {infinity, 0, 0, std::nanf("")})});
    EXPECT_EQ(elements_of<float>(zeros[0]), (std::vector<float>{0, 0}));
  }
}

TEST(GridSample, ModesHaveTheNamesOfTheirVersion) {
  const std::vector<Shape> flat = {{1, 1, 4, 4}, {1, 2, 2, 2}}, deep = {{1, 1, 4, 4, 4}, {1, 2, 2, 2, 3}};
  EXPECT_EQ(refusal_of("GridSample", 16, {{"mode", "bilinear"}}, flat), "");
  EXPECT_EQ(refusal_of("GridSample", 20, {{"mode", "linear"}}, deep), "");
  EXPECT_NE(refusal_of("GridSample", 16, {{"mode", "linear"}}, flat), "");
  EXPECT_NE(refusal_of("GridSample", 20, {{"mode", "bilinear"}}, flat), "");
}

TEST(GridSample, RefusesShapesThatDoNotFit) {
  EXPECT_NE(refusal_of("GridSample", 20, {}, {{1, 1, 4, 4}, {2, 2, 2, 2}}), "");
  EXPECT_NE(refusal_of("GridSample", 20, {}, {{1, 1, 4, 4}, {1, 2, 2, 3}}), "");
  EXPECT_NE(refusal_of("GridSample", 20, {}, {{1, 1, 4, 0}, {1, 2, 2, 2}}), "");
  EXPECT_NE(refusal_of("GridSample", 20, {}, {{1, 1}, {1, 0}}), "");
  EXPECT_NE(refusal_of("GridSample", 20, {{"padding_mode", "wrap"}}, {{1, 1, 4, 4}, {1, 2, 2, 2}}), "");
}

TEST(AffineGrid, OneElementIsInTheMiddle) {
  const Tensor theta = Tensor::from<float>({1, 2, 3}, {1, 0, 0, 0, 1, 0});
  const Tensor size = Tensor::from<std::int64_t>({4}, {1, 1, 1, 2});
  EXPECT_EQ(
      elements_of<float>(run_node("AffineGrid", 20, {{"align_corners", std::int64_t{1}}}, {theta, size})[0]),
      (std::vector<float>{-1, 0, 1, 0}));
  EXPECT_EQ(elements_of<float>(run_node("AffineGrid", 20, {}, {theta, size})[0]),
            (std::vector<float>{-0.5F, 0, 0.5F, 0}));
}

TEST(AffineGrid, RefusesSizesThatDoNotFit) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  for (const Ints& size : {Ints{1, 1, kHuge, kHuge}, Ints{1, 1, 0, 2}, Ints{1, 1, -2, 2}, Ints{2, 1, 2, 2},
                           Ints{1, 1, 2}, Ints{1, 1, 2, 2, 2}})
    EXPECT_NE(refusal_of("AffineGrid", 20, {}, {{1, 2, 3}, {}},
                         {{1, Tensor::from<std::int64_t>({static_cast<std::int64_t>(size.size())}, size)}}),
              "")
        << shape_string(size);
  EXPECT_NE(refusal_of("AffineGrid", 20, {}, {{1, 2, 3}, {4}}), "");
}

}  // namespace
}  // namespace edgeclip::engine
