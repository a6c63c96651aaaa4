#include "retrieval/search/font.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "retrieval/search/text_layout.h"
#include "support/support.h"

namespace edgeclip {
namespace {

/// The text on white, 300 x 40.
Image drawn(Font& font, const std::string& text, double x = 4) {
  Image image(300, 40);
  std::fill(image.rgb.begin(), image.rgb.end(), std::uint8_t{255});
  font.draw(image, drawable(text), x, 28, 20, {0, 0, 0});
  return image;
}

int count_ink(const Image& image) {
  int count = 0;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) count += image.rgb[i] < 128;
  return count;
}

/// $EDGECLIP_FONT for as long as the object lives.
class FontVariable {
 public:
  explicit FontVariable(const std::string& value) { setenv("EDGECLIP_FONT", value.c_str(), 1); }
  ~FontVariable() { unsetenv("EDGECLIP_FONT"); }
};

constexpr const char* kDejaVu = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";

TEST(Font, LettersOutsideAsciiAreDrawn) {
  const auto font = open_font(kDejaVu);
  EXPECT_NE(drawn(*font, "weißer").rgb, drawn(*font, "wei?er").rgb);
  EXPECT_NE(drawn(*font, "Ж").rgb, drawn(*font, "Я").rgb);
  EXPECT_NE(drawn(*font, "ü").rgb, drawn(*font, "u").rgb);
  EXPECT_EQ(drawn(*font, "u\u0308").rgb, drawn(*font, "ü").rgb) << "two code points, one letter";
}

TEST(Font, WhatItLacksIsABox) {
  const auto font = open_font(kDejaVu);
  const Image box = drawn(*font, "人");
  EXPECT_EQ(box.rgb, drawn(*font, "物").rgb);
  EXPECT_NE(box.rgb, drawn(*font, "?").rgb);
  EXPECT_GT(count_ink(box), 20);
  EXPECT_GT(text_width(*font, U"人", 20), 5);
}

TEST(Font, EdgesAreSmoothAndInkIsThatAskedFor) {
  const auto font = open_font(kDejaVu);
  Image image(60, 40);
  font->draw(image, U"W", 4, 28, 20, {200, 100, 0});
  int full = 0, part = 0;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    full += image.rgb[i] == 200 && image.rgb[i + 1] == 100 && image.rgb[i + 2] == 0;
    part += image.rgb[i] > 0 && image.rgb[i] < 200;
  }
  EXPECT_GT(full, 10);
  EXPECT_GT(part, 10);
}

TEST(Font, WidthGrowsWithTextAndSizeAndCoversTheInk) {
  for (const auto& font : {open_font(kDejaVu), hershey_font()}) {
    const double one = text_width(*font, U"red", 20), two = text_width(*font, U"red coat", 20);
    EXPECT_GT(two, 1.8 * one);
    EXPECT_NEAR(text_width(*font, U"red", 40), 2 * one, 1);
    EXPECT_EQ(text_width(*font, U"", 20), 0);
    const Image image = drawn(*font, "red coat");
    int last = 0;
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x)
        if (image.row(y)[3 * x] < 128) last = std::max(last, x);
    EXPECT_NEAR(last, 4 + two, 3);
  }
}

TEST(Font, PairsAreKerned) {
  const auto font = open_font(kDejaVu);
  EXPECT_LT(text_width(*font, U"AV", 40), text_width(*font, U"A", 40) + text_width(*font, U"V", 40) - 1);
}

TEST(Font, WhatLiesOutsideThePictureIsLeftOut) {
  for (const auto& font : {open_font(kDejaVu), hershey_font()}) {
    Image image(10, 10);
    for (const double x : {-500.0, -4.5, 7.0, 500.0})
      for (const double y : {-500.0, 0.0, 12.0, 500.0})
        font->draw(image, U"Wg…\xFFFD", x, y, 20, {255, 255, 255});
    SUCCEED() << "the sanitizer sees the rest";
  }
}

TEST(Font, HersheyNeedsNoFileAndSaysWhatItCannotDraw) {
  const auto font = hershey_font();
  EXPECT_GT(count_ink(drawn(*font, "red")), 20);
  EXPECT_EQ(drawn(*font, "weißer").rgb, drawn(*font, "wei?er").rgb);
}

TEST(Font, ABadFileIsRefusedAndTheNextOneTaken) {
  const test::TempDir dir;
  test::write_text(dir / "no.ttf", "text");
  EXPECT_NE(test::invalid_input_of([&] { open_font(dir / "no.ttf"); }).find("no.ttf: is no scalable font"),
            std::string::npos);
  test::invalid_input_of([&] { open_font(dir / "none.ttf"); });
  test::invalid_input_of([&] { open_font(dir.path()); });
  const auto expected = open_font(kDejaVu);
  for (const auto& named : {(dir / "no.ttf").string(), (dir / "none.ttf").string(), std::string()}) {
    const FontVariable variable(named);
    EXPECT_EQ(drawn(*find_font(), "weißer").rgb, drawn(*expected, "weißer").rgb) << named;
  }
}

TEST(Font, TheVariableNamesAnother) {
  const std::string mono = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";
  const FontVariable variable(mono);
  const auto font = find_font();
  EXPECT_EQ(text_width(*font, U"i", 20), text_width(*font, U"W", 20));
}

}  // namespace
}  // namespace edgeclip
