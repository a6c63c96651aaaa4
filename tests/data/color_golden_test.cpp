#include <gtest/gtest.h>

#include "base/npy.h"
#include "data/augment/color.h"
#include "support/support.h"

/// Colour changes of torchvision on Pillow images (tests/golden/augment): equal, not close.
namespace edgeclip {
namespace {

Image read_pixels(const std::string& name) {
  const Tensor pixels = read_npy(test::golden("augment/" + name + ".npy"));
  Image image(static_cast<int>(pixels.dim(1)), static_cast<int>(pixels.dim(0)));
  std::copy_n(pixels.data<std::uint8_t>(), image.rgb.size(), image.rgb.data());
  return image;
}

void expect_same(const std::string& name, void (*change)(Image&, double), double factor) {
  Image image = read_pixels("source");
  change(image, factor);
  const Image expected = read_pixels(name);
  ASSERT_EQ(image.rgb.size(), expected.rgb.size());
  for (std::size_t i = 0; i < image.rgb.size(); ++i)
    ASSERT_EQ(image.rgb[i], expected.rgb[i]) << name << " value " << i;
}

TEST(ColorGolden, EqualTorchvisionOnPillow) {
  for (const char* factor : {"0.0", "0.37", "1.0", "1.8"}) {
    const std::string f = factor;
    expect_same(
        "brightness_" + f, [](Image& i, double x) { adjust_brightness(i, static_cast<float>(x)); },
        std::stod(f));
    expect_same(
        "contrast_" + f, [](Image& i, double x) { adjust_contrast(i, static_cast<float>(x)); }, std::stod(f));
    expect_same(
        "saturation_" + f, [](Image& i, double x) { adjust_saturation(i, static_cast<float>(x)); },
        std::stod(f));
  }
  for (const char* turn : {"-0.5", "-0.13", "0.0", "0.004", "0.25"})
    expect_same(
        std::string("hue_") + turn, [](Image& i, double x) { adjust_hue(i, x); }, std::stod(turn));
  expect_same(
      "greyscale", [](Image& i, double) { make_greyscale(i); }, 0);
}

}  // namespace
}  // namespace edgeclip
