#include "data/image/resample.h"

#include <gtest/gtest.h>

#include <hwy/targets.h>

#include "base/npy.h"
#include "base/rng.h"
#include "data/image/transform.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

Image random_image(int width, int height, std::uint64_t seed) {
  Image image(width, height);
  Rng rng(seed);
  for (auto& value : image.rgb)
    value = static_cast<std::uint8_t>(rng.chance(0.3) ? 255 * rng.below(2) : rng.below(256));
  return image;
}

Image from_npy(const fs::path& file) {
  const Tensor pixels = read_npy(file);
  Image image(static_cast<int>(pixels.dim(1)), static_cast<int>(pixels.dim(0)));
  std::copy_n(pixels.data<std::uint8_t>(), image.rgb.size(), image.rgb.begin());
  return image;
}

/// tests/golden/preprocess/make.py
TEST(ResampleGolden, EveryFilterIsPillowsToTheBit) {
  const fs::path folder = test::golden("preprocess");
  const Image source = from_npy(folder / "source.npy");
  for (const char* filter : {"nearest", "box", "bilinear", "bicubic", "lanczos"})
    for (const auto& [width, height] : {std::pair(16, 23), {37, 11}, {80, 60}, {1, 1}, {36, 54}}) {
      const Image expected = from_npy(folder / fmt::format("{}_{}x{}.npy", filter, width, height));
      EXPECT_EQ(resize_image(source, width, height, filter).rgb, expected.rgb)
          << filter << " " << width << "x" << height;
    }
}

TEST(ResampleGolden, EveryOrientationIsPillows) {
  const fs::path folder = test::golden("preprocess");
  ReadOptions upright;
  upright.upright = true;
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (const char* kind : {"jpg", "png"}) {
      const fs::path file = folder / fmt::format("orientation_{}.{}", orientation, kind);
      const Image expected = from_npy(file.string() + ".npy"), image = read_image(file, upright);
      EXPECT_EQ(image.width, expected.width) << file;
      EXPECT_EQ(image.rgb, expected.rgb) << file;
      EXPECT_EQ(read_image(file).width, 16) << file;
    }
}

/// Every instruction set that this machine has, against the kernels written to be read.
TEST(Resample, FastPassesEqualTheReferenceOnEveryInstructionSet) {
  int sets = 0;
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    ++sets;
    std::uint64_t seed = 1;
    for (const Filter filter : {Filter::kBox, Filter::kBilinear, Filter::kBicubic, Filter::kLanczos})
      for (const auto& [in, out] :
           {std::pair(640, 224), {37, 80}, {5, 3}, {1, 9}, {300, 7}, {64, 48}, {33, 32}}) {
        const Image image = random_image(in, 11, seed++);
        const ResampleWeights w = resample_weights(in, out, out / 4, out - out / 4, filter);
        EXPECT_EQ(horizontal_pass(image, w, 2, 9).rgb, horizontal_pass_reference(image, w, 2, 9).rgb)
            << in << " to " << out << ", target " << (targets & -targets);
        const Image tall = random_image(13, in, seed++);
        EXPECT_EQ(vertical_pass(tall, w, 0).rgb, vertical_pass_reference(tall, w, 0).rgb)
            << in << " to " << out << ", target " << (targets & -targets);
      }
  }
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_GE(sets, 1);
}

TEST(Resample, APartIsTheSameAsTheWholeCutOut) {
  const Image image = random_image(90, 70, 5);
  for (const Filter filter : {Filter::kNearest, Filter::kBicubic, Filter::kLanczos}) {
    const Image whole = resize_part(image, 60, 45, 0, 0, 60, 45, filter);
    EXPECT_EQ(resize_part(image, 60, 45, 11, 7, 30, 20, filter).rgb, crop(whole, 11, 7, 30, 20).rgb);
  }
}

TEST(FastDecodeGolden, IsSmallerAndClose) {
  EDGECLIP_REQUIRE_PARITY(file, "preprocess/images/gray.jpg");  // 200 x 150
  ReadOptions options;
  options.least_width = options.least_height = 40;
  const Image small = read_image(file, options);
  EXPECT_EQ(small.width, 100);
  EXPECT_EQ(small.height, 75);
  options.least_width = 101;
  EXPECT_EQ(read_image(file, options).width, 200);
}

}  // namespace
}  // namespace edgeclip
