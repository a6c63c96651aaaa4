// Resize and Upsample: numbers by hand for what the standard's tests leave out, and what the shape rule
// refuses.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using test::Attributes;
using test::elements_of;
using test::Ints;
using test::refusal_of;
using test::run_node;

Tensor floats(const std::vector<float>& values) {
  return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, values);
}

std::vector<float> resize(Attributes attributes, const std::vector<float>& x, float scale) {
  return elements_of<float>(
      run_node("Resize", 18, std::move(attributes), {floats(x), Tensor(), floats({scale})})[0]);
}

TEST(Resize, OlderVersions) {
  const Tensor x = Tensor::from<float>({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(elements_of<float>(run_node("Resize", 10, {}, {x, floats({1, 1, 0.6F, 0.6F})})[0]),
            (std::vector<float>{1, 3}));
  EXPECT_EQ(
      elements_of<float>(run_node("Upsample", 7, {{"scales", std::vector<float>{2}}}, {floats({1, 2})})[0]),
      (std::vector<float>{1, 1, 2, 2}));
  EXPECT_EQ(
      elements_of<float>(run_node("Upsample", 9, {{"mode", "linear"}}, {floats({0, 10}), floats({2})})[0]),
      (std::vector<float>{0, 5, 10, 10}));
}

TEST(Resize, NearestDoesNotMissByTheRoundingOfItsScale) {
  EXPECT_EQ(resize({{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}},
                   {0, 1, 2, 3, 4, 5, 6, 7, 8}, 1.0F / 3),
            (std::vector<float>{0, 3, 6}));
  EXPECT_EQ(resize({}, std::vector<float>(10, 1), 0.7F).size(), 7U);
}

TEST(Resize, TfHalfPixelForNearest) {
  EXPECT_EQ(resize({{"coordinate_transformation_mode", "tf_half_pixel_for_nn"}}, {0, 1, 2, 3}, 0.5F),
            (std::vector<float>{1, 3}));
}

TEST(Resize, AntialiasWidensTheKernel) {
  Attributes attributes = {{"mode", "linear"}, {"antialias", std::int64_t{1}}};
  EXPECT_EQ(resize(attributes, {0, 1, 2, 3}, 0.5F), (std::vector<float>{0.625F, 2.375F}));
  EXPECT_EQ(resize(attributes, {0, 1}, 2), resize({{"mode", "linear"}}, {0, 1}, 2));
  attributes["exclude_outside"] = std::int64_t{1};
  EXPECT_EQ(resize(attributes, {0, 1, 2, 3}, 0.5F)[0], 1.25F / 1.75F);
}

TEST(Resize, IntegersAreCutAndStayInRange) {
  const auto y = run_node("Resize", 13, {{"mode", "linear"}},
                          {Tensor::from<std::uint8_t>({2}, {0, 255}), Tensor(), floats({2})});
  EXPECT_EQ(elements_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{0, 63, 191, 255}));
  const auto outside =
      run_node("Resize", 13,
               {{"coordinate_transformation_mode", "tf_crop_and_resize"}, {"extrapolation_value", -5.0F}},
               {Tensor::from<std::uint8_t>({2}, {7, 9}), floats({0, 3}), Tensor(),
                Tensor::from<std::int64_t>({1}, {3})});
  EXPECT_EQ(elements_of<std::uint8_t>(outside[0]), (std::vector<std::uint8_t>{7, 0, 0}));
}

TEST(Resize, KeepsTheAspectRatio) {
  const auto shape = [](const char* policy) {
    return run_node(
               "Resize", 18, {{"keep_aspect_ratio_policy", policy}},
               {Tensor(DType::f32, {2, 4}), Tensor(), Tensor(), Tensor::from<std::int64_t>({2}, {6, 8})})[0]
        .shape();
  };
  EXPECT_EQ(shape("stretch"), (Shape{6, 8}));
  EXPECT_EQ(shape("not_larger"), (Shape{4, 8}));
  EXPECT_EQ(shape("not_smaller"), (Shape{6, 12}));
}

TEST(ResizeShape, RefusesWhatMakesNoSense) {
  const auto by_scale = [](float scale, const Shape& x = {4}) {
    return refusal_of("Resize", 13, {}, {x, {0}, {1}}, {{2, floats({scale})}});
  };
  EXPECT_EQ(by_scale(2), "");
  EXPECT_EQ(by_scale(1e-38F), "");  // nothing is left
  for (const float scale : {0.0F, -1.0F, 1e30F, std::nanf(""), std::numeric_limits<float>::infinity()})
    EXPECT_NE(by_scale(scale), "") << scale;
  EXPECT_NE(by_scale(2, {4, 4}), "");
  EXPECT_NE(by_scale(2, {}), "");

  const auto by_size = [](std::int64_t size, const Shape& x = {4}, Attributes attributes = {}) {
    return refusal_of("Resize", 18, std::move(attributes), {x, {0}, {0}, {1}},
                      {{3, Tensor::from<std::int64_t>({1}, {size})}});
  };
  EXPECT_EQ(by_size(0), "");
  for (const std::int64_t size : {std::int64_t{-1}, std::int64_t{1} << 62}) EXPECT_NE(by_size(size), "");
  EXPECT_NE(by_size(2, {0}), "");
  EXPECT_NE(by_size(0, {0}, {{"keep_aspect_ratio_policy", "not_larger"}}), "");
  EXPECT_NE(by_size(2, {4}, {{"keep_aspect_ratio_policy", "never"}}), "");
  EXPECT_NE(by_size(2, {4}, {{"axes", Ints{1}}}), "");
  EXPECT_NE(by_size(2, {4}, {{"mode", "lanczos"}}), "");
  EXPECT_NE(by_size(2, {4}, {{"coordinate_transformation_mode", "tf_crop_and_resize"}}), "");
  // one dimension a little larger makes the other one enormous
  EXPECT_NE(refusal_of("Resize", 18, {{"keep_aspect_ratio_policy", "not_smaller"}},
                       {{1, std::int64_t{1} << 39}, {0}, {0}, {2}},
                       {{3, Tensor::from<std::int64_t>({2}, {1000, 1})}}),
            "");
}

TEST(ResizeShape, NeedsOneOfScalesAndSizes) {
  EXPECT_NE(refusal_of("Resize", 13, {}, {{4}}), "");
  EXPECT_NE(refusal_of("Resize", 13, {}, {{4}, {0}, {1}, {1}},
                       {{2, floats({2})}, {3, Tensor::from<std::int64_t>({1}, {8})}}),
            "");
  const std::string unknown = refusal_of("Resize", 13, {}, {{4}, {0}, {1}});
  EXPECT_NE(unknown.find("must follow from constants"), std::string::npos) << unknown;
  EXPECT_NE(refusal_of("Upsample", 9, {}, {{4}, {1}}, {{1, floats({0.5F})}}), "");
  EXPECT_NE(refusal_of("Upsample", 10, {}, {{4}, {1}}, {{1, floats({2})}}), "");
}

}  // namespace
}  // namespace edgeclip::engine
