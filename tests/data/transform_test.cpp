#include "data/image/transform.h"

#include <cmath>

#include "base/error.h"
#include "base/npy.h"
#include "encode.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using test::filled;
using test::invalid_input_of;
using test::picture;

Image image_of(const Tensor& pixels) {
  Image image(static_cast<int>(pixels.dim(1)), static_cast<int>(pixels.dim(0)));
  std::copy_n(pixels.data<std::uint8_t>(), image.rgb.size(), image.rgb.begin());
  return image;
}

ImageTransform clip224() {
  ImageTransform transform;
  transform.height = transform.width = 224;
  transform.resize = "shortest_crop";
  transform.filter = "bicubic";
  return transform;
}

TEST(Transform, SameSizeIsACopy) {
  const Image image = picture(31, 17);
  for (const char* filter : {"bilinear", "bicubic"})
    EXPECT_EQ(resize_image(image, 31, 17, filter).rgb, image.rgb);
}

TEST(Transform, OneColourStaysOneColour) {
  for (const char* filter : {"bilinear", "bicubic"})
    for (const auto& [w, h] : {std::pair{7, 90}, {200, 3}, {64, 64}}) {
      const Image out = resize_image(filled(33, 47, 250, 3, 128), w, h, filter);
      EXPECT_EQ(out.rgb, filled(w, h, 250, 3, 128).rgb) << filter << w;
    }
}

TEST(Transform, HalvingByBilinearWeighsNeighbours) {
  // Four columns to two: support 2, weights 1/8 3/8 3/8 1/8 cut at the border: (3 a + 3 b + c) / 7.
  Image image(4, 1);
  const int values[4] = {0, 70, 140, 210};
  for (int x = 0; x < 4; ++x)
    for (int c = 0; c < 3; ++c) image.row(0)[3 * x + c] = static_cast<std::uint8_t>(values[x]);
  const Image out = resize_image(image, 2, 1, "bilinear");
  EXPECT_EQ(out.rgb[0], 50);
  EXPECT_EQ(out.rgb[3], 160);
}

TEST(Transform, ShortestCropComputesOnlyItsPartOfTheWholeResize) {
  for (const auto& [w, h] : {std::pair{90, 41}, {41, 90}, {300, 299}, {224, 500}, {20, 17}}) {
    ImageTransform transform = clip224();
    transform.height = transform.width = 32;
    const Image image = picture(w, h);
    const int full_w = w <= h ? 32 : 32 * w / h, full_h = w <= h ? 32 * h / w : 32;
    const Image whole = resize_image(image, full_w, full_h, "bicubic");
    const int left = static_cast<int>(std::nearbyint((full_w - 32) / 2.0)),
              top = static_cast<int>(std::nearbyint((full_h - 32) / 2.0));
    EXPECT_EQ(transform_geometry(image, transform).rgb, crop(whole, left, top, 32, 32).rgb)
        << w << " x " << h;
  }
}

TEST(Transform, ShortestCropCoversEveryShape) {
  for (const auto& [h, w] : {std::pair{96, 48}, {48, 96}, {1, 1}, {50, 7}})
    for (const auto& [iw, ih] : {std::pair{1, 1}, {1, 300}, {300, 1}, {64, 128}, {128, 64}}) {
      ImageTransform transform = clip224();
      transform.height = h;
      transform.width = w;
      const Image out = transform_geometry(filled(iw, ih, 9, 8, 7), transform);
      EXPECT_EQ(out.rgb, filled(w, h, 9, 8, 7).rgb);
    }
}

TEST(Transform, NormalizesIntoPlanesAndFlips) {
  ImageTransform transform;
  transform.height = 1;
  transform.width = 2;
  transform.mean = {0.5, 0.25, 0};
  transform.std = {0.5, 1, 2};
  Image image(2, 1);
  image.rgb = {255, 0, 51, 0, 255, 0};
  float out[6], flipped[6];
  transform_image(image, transform, out);
  normalize_pixels(image, transform, true, flipped);
  const float expected[6] = {1, -1, -0.25f, 0.75f, 0.1f, 0};
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(out[i], expected[i], 1e-6);
    EXPECT_EQ(flipped[i], out[i ^ 1]);
  }
}

TEST(Transform, BadSettingsNameTheField) {
  const auto message = [](auto change) {
    ImageTransform transform;
    change(transform);
    return invalid_input_of([&] { transform.validate("model.json: image."); });
  };
  EXPECT_NE(message([](auto& t) { t.height = 0; }).find("model.json: image."), std::string::npos);
  EXPECT_NE(message([](auto& t) { t.std = {1, 0, 1}; }).find("std"), std::string::npos);
  EXPECT_NE(message([](auto& t) { t.mean = {1}; }).find("three"), std::string::npos);
  EXPECT_NE(message([](auto& t) { t.filter = "lanczso"; }).find("did you mean \"lanczos\""),
            std::string::npos);
  EXPECT_NE(message([](auto& t) { t.resize = "pad"; }).find("pad"), std::string::npos);
  ImageTransform().validate("");
}

/// Every file of preprocess/<kind> against transform applied to preprocess/decoded, exactly.
void expect_golden(const std::filesystem::path& root, const char* kind, const ImageTransform& transform,
                   int at_least) {
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root / kind)) {
    const Image out =
        transform_geometry(image_of(read_npy(root / "decoded" / entry.path().filename())), transform);
    const Tensor expected = read_npy(entry.path());
    ASSERT_EQ(expected.shape(), (Shape{out.height, out.width, 3})) << entry.path();
    EXPECT_TRUE(std::equal(out.rgb.begin(), out.rgb.end(), expected.data<std::uint8_t>())) << entry.path();
    ++compared;
  }
  EXPECT_GE(compared, at_least);
}

TEST(TransformGolden, ShortestBicubicCropIsPillowsToTheBit) {
  EDGECLIP_REQUIRE_PARITY(root, "preprocess");
  expect_golden(root, "clip224", clip224(), 20);
}

TEST(TransformGolden, StretchIsPillowsToTheBit) {
  EDGECLIP_REQUIRE_PARITY(root, "preprocess");
  ImageTransform transform;
  transform.height = 384;
  transform.width = 128;
  for (const char* filter : {"bilinear", "bicubic"}) {
    transform.filter = filter;
    expect_golden(root, (std::string("resize384x128_") + filter).c_str(), transform, 10);
  }
}

TEST(TransformGolden, NormalizedPixels) {
  EDGECLIP_REQUIRE_PARITY(root, "preprocess");
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root / "clip224_normalized")) {
    const Tensor expected = read_npy(entry.path());
    std::vector<float> out(static_cast<std::size_t>(expected.elements()));
    transform_image(image_of(read_npy(root / "decoded" / entry.path().filename())), clip224(), out.data());
    float largest = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
      largest = std::max(largest, std::abs(out[i] - expected.data<float>()[i]));
    EXPECT_LE(largest, 1e-6f);
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

}  // namespace
}  // namespace edgeclip
