#include "data/image/image.h"

#include <png.h>
#include <zlib.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "encode.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using test::encode_jpeg;
using test::encode_png;
using test::invalid_input_of;
using test::picture;
using test::TempDir;
using test::write_text;

int largest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  if (a.rgb.size() != b.rgb.size()) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

TEST(Image, PngRoundTripIsExact) {
  TempDir dir;
  const Image image = picture(37, 53);
  write_png(dir / "a.png", image);
  const Image back = read_image(dir / "a.png");
  EXPECT_EQ(back.width, 37);
  EXPECT_EQ(back.height, 53);
  EXPECT_EQ(back.rgb, image.rgb);
}

TEST(Image, FormatIsToldByContentNotName) {
  TempDir dir;
  const Image image = picture(20, 10);
  write_png(dir / "really_a_png.jpg", image);
  EXPECT_EQ(read_image(dir / "really_a_png.jpg").rgb, image.rgb);
}

TEST(Image, JpegOfEachColourSpace) {
  TempDir dir;
  const Image image = picture(40, 30);
  write_text(dir / "rgb.jpg", encode_jpeg(image));
  EXPECT_LE(largest_difference(read_image(dir / "rgb.jpg"), image), 6);
  write_text(dir / "progressive.jpg", encode_jpeg(40, 30, 3, image.rgb, true));
  EXPECT_LE(largest_difference(read_image(dir / "progressive.jpg"), image), 6);

  const std::vector<std::uint8_t> grey(8 * 8, 77);
  write_text(dir / "grey.jpg", encode_jpeg(8, 8, 1, grey));
  EXPECT_LE(largest_difference(read_image(dir / "grey.jpg"), test::filled(8, 8, 77, 77, 77)), 1);

  std::vector<std::uint8_t> cmyk;  // stored inverted: 255 - ink; cyan 55, magenta 105, yellow 155, black 0
  for (int i = 0; i < 64; ++i) cmyk.insert(cmyk.end(), {200, 150, 100, 255});
  write_text(dir / "cmyk.jpg", encode_jpeg(8, 8, 4, cmyk));
  EXPECT_LE(largest_difference(read_image(dir / "cmyk.jpg"), test::filled(8, 8, 200, 150, 100)), 2);
}

TEST(Image, PngOfEachForm) {
  TempDir dir;
  const auto first_pixel = [&](const test::PngForm& form, const std::vector<std::uint8_t>& rows, int width,
                               int height) {
    write_text(dir / "a.png", encode_png(width, height, form, rows));
    const Image image = read_image(dir / "a.png");
    return std::vector<int>(image.rgb.end() - 3, image.rgb.end());
  };
  using V = std::vector<int>;
  EXPECT_EQ(first_pixel({PNG_COLOR_TYPE_GRAY, 8, false, {}}, {9, 40}, 2, 1), (V{40, 40, 40}));
  EXPECT_EQ(first_pixel({PNG_COLOR_TYPE_GRAY, 1, false, {}}, {0x40}, 2, 1), (V{255, 255, 255}));
  EXPECT_EQ(first_pixel({PNG_COLOR_TYPE_GRAY, 16, false, {}}, {0, 0, 0x12, 0xFF}, 2, 1),
            (V{0x12, 0x12, 0x12}));
  EXPECT_EQ(first_pixel({PNG_COLOR_TYPE_GRAY_ALPHA, 8, false, {}}, {80, 3}, 1, 1), (V{80, 80, 80}));
  EXPECT_EQ(first_pixel({PNG_COLOR_TYPE_RGB_ALPHA, 8, false, {}}, {1, 2, 3, 0}, 1, 1), (V{1, 2, 3}));
  EXPECT_EQ(first_pixel({PNG_COLOR_TYPE_PALETTE, 4, false, {9, 9, 9, 10, 20, 30}}, {0x01}, 2, 1),
            (V{10, 20, 30}));
  std::vector<std::uint8_t> square(9 * 9 * 3, 5);
  square[square.size() - 2] = 99;
  EXPECT_EQ(first_pixel({PNG_COLOR_TYPE_RGB, 8, true, {}}, square, 9, 9), (V{5, 99, 5}));
}

TEST(Image, EveryTruncationIsAnError) {
  TempDir dir;
  const Image image = picture(24, 24);
  write_png(dir / "whole.png", image);
  const std::string png = read_file(dir / "whole.png");
  for (const std::string& whole : {encode_jpeg(image), encode_jpeg(24, 24, 3, image.rgb, true), png}) {
    // A PNG is complete once its pixels are; the end marker and checksums after them may be missing.
    const std::size_t end = whole[0] == '\x89' ? whole.find("IEND") - 8 : whole.size() - 2;
    for (std::size_t size = 0; size < end; size += size < 40 || size > end - 40 ? 1 : 13) {
      write_text(dir / "cut", whole.substr(0, size));
      const std::string message = invalid_input_of([&] { read_image(dir / "cut"); });
      ASSERT_NE(message.find("cut"), std::string::npos) << size;
    }
  }
  write_text(dir / "half.jpg", encode_jpeg(image).substr(0, 800));
  EXPECT_NE(invalid_input_of([&] { read_image(dir / "half.jpg"); }).find("truncated JPEG"),
            std::string::npos);
}

TEST(Image, FlippedBytesNeverCrash) {
  TempDir dir;
  const Image image = picture(24, 24);
  write_png(dir / "whole.png", image);
  std::uint32_t state = 1;
  for (const std::string& whole :
       {encode_jpeg(image), encode_jpeg(24, 24, 3, image.rgb, true), read_file(dir / "whole.png")})
    for (int round = 0; round < 60; ++round) {
      std::string damaged = whole;
      for (int flips = 0; flips < 3; ++flips) {
        state = state * 1664525u + 1013904223u;
        damaged[3 + (state >> 8) % (damaged.size() - 3)] ^= static_cast<char>(1 << (state >> 29));
      }
      write_text(dir / "damaged", damaged);
      try {
        const Image read = read_image(dir / "damaged");
        EXPECT_EQ(read.rgb.size(),
                  static_cast<std::size_t>(read.width) * static_cast<std::size_t>(read.height) * 3);
      } catch (const InvalidInput&) {
      }
    }
}

TEST(Image, WhatIsNoImageIsSaid) {
  TempDir dir;
  write_text(dir / "text.jpg", "hello");
  write_text(dir / "empty.png", "");
  EXPECT_NE(invalid_input_of([&] { read_image(dir / "text.jpg"); }).find("is not an image"),
            std::string::npos);
  EXPECT_NE(invalid_input_of([&] { read_image(dir / "empty.png"); }).find("is empty"), std::string::npos);
  EXPECT_NE(invalid_input_of([&] { read_image(dir / "missing.png"); }).find("not found"), std::string::npos);
  EXPECT_NE(invalid_input_of([&] { read_image(dir.path()); }).find("folder"), std::string::npos);
}

TEST(Image, HugeSizesAreRefusedBeforeMemoryIsAskedFor) {
  TempDir dir;
  std::string png = encode_png(1, 1, {PNG_COLOR_TYPE_GRAY, 8, false, {}}, {0});
  png[17] = png[21] =
      0x0F;  // 983041 x 983041; the header's checksum is wrong now, so the message may be either
  write_text(dir / "a.png", png);
  invalid_input_of([&] { read_image(dir / "a.png"); });
  std::string jpeg = encode_jpeg(test::filled(8, 8, 1, 2, 3));
  const auto frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  for (const std::size_t i : {5, 6, 7, 8}) jpeg[frame + i] = '\xF0';  // 61680 x 61680
  write_text(dir / "a.jpg", jpeg);
  EXPECT_NE(invalid_input_of([&] { read_image(dir / "a.jpg"); }).find("61680 x 61680"), std::string::npos);
}

TEST(Image, AFileTooSmallForItsPictureIsRefusedBeforeMemoryIsAskedFor) {
  TempDir dir;
  const std::string whole = encode_jpeg(24, 24, 3, picture(24, 24).rgb, true);
  const auto frame = whole.find("\xFF\xC2");
  ASSERT_NE(frame, std::string::npos);
  std::string jpeg = whole;  // 13056 x 13056, within the limit of pixels: 1.5 GB of coefficients and pixels
  jpeg[frame + 5] = jpeg[frame + 7] = 51;
  jpeg[frame + 6] = jpeg[frame + 8] = 0;
  write_text(dir / "a.jpg", jpeg);
  EXPECT_NE(invalid_input_of([&] { read_image(dir / "a.jpg"); }).find("cannot hold 13056 x 13056"),
            std::string::npos);
  std::string png = encode_png(1, 1, {PNG_COLOR_TYPE_GRAY, 1, false, {}}, {0});
  png[18] = png[22] = 51;  // 13057 x 13057
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(png.data() + 12), 17);
  for (std::size_t i = 0; i < 4; ++i) png[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
  write_text(dir / "a.png", png);
  EXPECT_NE(invalid_input_of([&] { read_image(dir / "a.png"); }).find("cannot hold 13057 x 13057"),
            std::string::npos);
}

TEST(Image, OneColourIsNotTooSmallForItsPicture) {
  TempDir dir;
  const std::vector<std::uint8_t> zeros(1000 * 1000, 0);
  write_text(dir / "grey.png", encode_png(1000, 1000, {PNG_COLOR_TYPE_GRAY, 8, false, {}}, zeros));
  write_text(dir / "bits.png", encode_png(8000, 1000, {PNG_COLOR_TYPE_GRAY, 1, true, {}}, zeros));
  write_text(dir / "grey.jpg", encode_jpeg(1000, 1000, 1, zeros));
  write_text(dir / "progressive.jpg", encode_jpeg(1000, 1000, 1, zeros, true));
  for (const char* name : {"grey.png", "bits.png", "grey.jpg", "progressive.jpg"})
    EXPECT_EQ(read_image(dir / name).height, 1000) << name;
}

TEST(Image, CropIsTheBox) {
  const Image image = picture(10, 8);
  const Image part = crop(image, 3, 2, 4, 5);
  ASSERT_EQ(part.width, 4);
  ASSERT_EQ(part.height, 5);
  EXPECT_TRUE(std::equal(part.row(4), part.row(4) + 12, image.row(6) + 9));
  EXPECT_THROW(crop(image, 7, 0, 4, 1), InternalError);
}

TEST(Image, PngIntoAMissingPlaceIsTheUsersFault) {
  TempDir dir;
  write_text(dir / "file", "");
  invalid_input_of([&] { write_png(dir / "file/a.png", picture(2, 2)); });
}

TEST(ImageGolden, DecodesLikePillow) {
  EDGECLIP_REQUIRE_PARITY(root, "preprocess");
  const Json manifest = read_json(root / "manifest.json");
  int compared = 0;
  for (const Json& item : manifest["images"]) {
    const auto stem = item["stem"].get<std::string>();
    if (stem.find("_upright") != std::string::npos)
      continue;  // orientation applied: not what read_image promises
    const Image image = read_image(root / item["file"].get<std::string>());
    const Tensor expected = read_npy(root / "decoded" / (stem + ".npy"));
    ASSERT_EQ(expected.shape(), (Shape{image.height, image.width, 3})) << stem;
    EXPECT_TRUE(std::equal(image.rgb.begin(), image.rgb.end(), expected.data<std::uint8_t>())) << stem;
    ++compared;
  }
  EXPECT_GE(compared, 20);
}

}  // namespace
}  // namespace edgeclip
