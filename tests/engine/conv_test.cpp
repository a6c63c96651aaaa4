// Conv, its integer forms and ConvTranspose: numbers by hand, and what their shape rules refuse.
#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using test::Attributes;
using test::elements_of;
using test::Ints;
using test::refusal_of;
using test::run_node;

constexpr std::int64_t kHuge = std::int64_t{1} << 62;

struct ConvTransposed : ::testing::Test {
  Tensor x = Tensor::from<float>({1, 1, 2}, {1, 2}), w = Tensor::from<float>({1, 1, 3}, {1, 10, 100});
  std::vector<float> run(Attributes attributes) const {
    attributes["strides"] = Ints{2};
    return elements_of<float>(run_node("ConvTranspose", 11, std::move(attributes), {x, w})[0]);
  }
};

TEST_F(ConvTransposed, SpreadsEachElement) {
  EXPECT_EQ(run({}), (std::vector<float>{1, 10, 102, 20, 200}));
  EXPECT_EQ(run({{"pads", Ints{1, 2}}}), (std::vector<float>{10, 102}));
  EXPECT_EQ(run({{"output_padding", Ints{1}}}), (std::vector<float>{1, 10, 102, 20, 200, 0}));
}

TEST_F(ConvTransposed, OddPaddingGoesWhereTheSpecificationSays) {
  EXPECT_EQ(run({{"output_shape", Ints{4}}}), (std::vector<float>{10, 102, 20, 200}));
  EXPECT_EQ(run({{"output_shape", Ints{1, 1, 4}}}), (std::vector<float>{10, 102, 20, 200}));
  EXPECT_EQ(run({{"auto_pad", "SAME_UPPER"}}), (std::vector<float>{1, 10, 102, 20}));
  EXPECT_EQ(run({{"auto_pad", "SAME_LOWER"}}), (std::vector<float>{10, 102, 20, 200}));
}

TEST_F(ConvTransposed, AnOutputBeyondItsReachIsTheBias) {
  const Tensor bias = Tensor::from<float>({1}, {5});
  const auto y = run_node("ConvTranspose", 11, {{"output_shape", Ints{4}}}, {x, w, bias});
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{6, 17, 125, 205}));  // 1, 12, 120, 200
  EXPECT_EQ(run({{"output_shape", Ints{7}}}), (std::vector<float>{1, 10, 102, 20, 200, 0, 0}));
}

TEST(ConvTransposeShape, RefusesWhatOverflows) {
  const std::vector<Shape> shapes = {{1, 2, 5}, {2, 3, 3}};
  EXPECT_EQ(refusal_of("ConvTranspose", 11, {}, shapes), "");
  for (const Attributes& attributes :
       {Attributes{{"strides", Ints{kHuge}}}, Attributes{{"strides", Ints{std::int64_t{1} << 40}}},
        Attributes{{"strides", Ints{0}}}, Attributes{{"dilations", Ints{kHuge}}},
        Attributes{{"pads", Ints{kHuge, kHuge}}}, Attributes{{"pads", Ints{4, 4}}},
        Attributes{{"pads", Ints{-1, 0}}}, Attributes{{"output_padding", Ints{1}}},
        Attributes{{"output_padding", Ints{-1}}}, Attributes{{"output_shape", Ints{kHuge}}},
        Attributes{{"output_shape", Ints{0}}}, Attributes{{"output_shape", Ints{1, 2}}},
        Attributes{{"group", std::int64_t{0}}}, Attributes{{"group", kHuge}},
        Attributes{{"kernel_shape", Ints{2}}}, Attributes{{"auto_pad", "SAME"}}})
    EXPECT_NE(refusal_of("ConvTranspose", 11, attributes, shapes), "") << attributes.begin()->first;
  EXPECT_NE(refusal_of("ConvTranspose", 11, {}, {{1, 2, 0}, {2, 3, 3}}), "");
  EXPECT_NE(refusal_of("ConvTranspose", 11, {{"group", kHuge}}, {{1, 0, 5}, {0, 8, 3}}), "");
  EXPECT_NE(refusal_of("ConvTranspose", 11, {}, {{1, 2, 5}, {2, 3, 0}}), "");
}

TEST(ConvShape, RefusesWhatOverflows) {
  const std::vector<Shape> shapes = {{1, 2, 5, 5}, {2, 2, 3, 3}};
  EXPECT_EQ(refusal_of("Conv", 11, {}, shapes), "");
  EXPECT_NE(refusal_of("Conv", 11, {{"dilations", Ints{kHuge, 1}}}, shapes), "");
  EXPECT_NE(refusal_of("Conv", 11, {{"pads", Ints{kHuge, 0, kHuge, 0}}}, shapes), "");
  EXPECT_NE(refusal_of("Conv", 11, {{"pads", Ints{-1, 0, 0, 0}}}, shapes), "");
  EXPECT_NE(refusal_of("Conv", 11, {{"strides", Ints{1}}}, shapes), "");
  EXPECT_NE(refusal_of("Conv", 11, {}, {{1, 1, 3, 0}, {1, 1, 3, 0}}), "");
  EXPECT_NE(refusal_of("Conv", 11, {}, {Shape(12, 1), Shape(12, 1)}), "");
}

TEST(ConvInteger, PaddingIsTheZeroPoint) {
  const auto y = run_node(
      "ConvInteger", 10, {{"pads", Ints{1, 0}}},
      {Tensor::from<std::uint8_t>({1, 1, 3}, {2, 3, 4}), Tensor::from<std::int8_t>({1, 1, 2}, {1, 2}),
       Tensor::from<std::uint8_t>({}, {1}), Tensor::from<std::int8_t>({1}, {1})});
  EXPECT_EQ(elements_of<std::int32_t>(y[0]), (std::vector<std::int32_t>{1, 2, 3}));
}

TEST(QLinearConv, ScaleAndBiasOfEachFilter) {
  const auto y = run_node("QLinearConv", 10, {},
                          {Tensor::from<std::uint8_t>({1, 1, 3}, {2, 3, 4}), Tensor::from<float>({}, {0.5F}),
                           Tensor::from<std::uint8_t>({}, {1}), Tensor::from<std::int8_t>({2, 1, 1}, {1, 2}),
                           Tensor::from<float>({2}, {1, 0.25F}), Tensor::from<std::int8_t>({2}, {0, 0}),
                           Tensor::from<float>({}, {0.5F}), Tensor::from<std::uint8_t>({}, {10}),
                           Tensor::from<std::int32_t>({2}, {2, -4})});
  EXPECT_EQ(elements_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{13, 14, 15, 10, 10, 10}));
}

}  // namespace
}  // namespace edgeclip::engine
