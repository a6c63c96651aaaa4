#include "retrieval/search/text_layout.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

/// Every character is as wide as its size.
class SquareFont : public Font {
 public:
  double advance(char32_t, char32_t, double size) override { return size; }
  void draw(Image&, std::u32string_view, double, double, double, Ink) override {}
  std::u32string_view ellipsis() override { return U"…"; }
};

using Lines = std::vector<std::u32string>;

Lines wrapped(std::u32string_view text, double width, std::size_t most) {
  SquareFont font;
  return wrap_text(font, text, 1, width, most);
}

TEST(Drawable, IsSafeForAnyBytes) {
  EXPECT_EQ(drawable("weißer"), U"weißer");
  EXPECT_EQ(drawable("a\tb\nc\u00a0d"), U"a b c d");
  EXPECT_EQ(drawable("a\xff"), U"a\xFFFD");
  EXPECT_EQ(drawable("\xe4\xba"), U"\xFFFD\xFFFD") << "a character cut in two";
  EXPECT_EQ(drawable(std::string("a\0b\x1b[2Jc\x7f", 9)),
            U"a\xFFFD"
            U"b\xFFFD[2Jc\xFFFD");
  EXPECT_EQ(drawable("a\u200b\u202eb\ufe0f"), U"ab") << "invisible, and turning the reading direction";
  EXPECT_EQ(drawable("u\u0308"), U"ü");
  EXPECT_EQ(drawable(""), U"");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_FALSE(drawable(all + all).empty());
}

TEST(WrapText, BreaksAtBlanks) {
  EXPECT_EQ(wrapped(U"a red coat", 10, 5), (Lines{U"a red coat"}));
  EXPECT_EQ(wrapped(U"a red coat", 9, 5), (Lines{U"a red", U"coat"}));
  EXPECT_EQ(wrapped(U"a red coat", 5, 5), (Lines{U"a red", U"coat"}));
  EXPECT_EQ(wrapped(U"  a   red  coat  ", 5, 5), (Lines{U"a red", U"coat"}));
  EXPECT_EQ(wrapped(U"a red ", 5, 5), (Lines{U"a red"}));
  EXPECT_EQ(wrapped(U"", 5, 5), (Lines{U""}));
  EXPECT_EQ(wrapped(U"   ", 5, 5), (Lines{U""}));
}

TEST(WrapText, BreaksAWordThatIsWiderThanALine) {
  EXPECT_EQ(wrapped(U"0001_c1s1_001.jpg", 6, 5), (Lines{U"0001_c", U"1s1_00", U"1.jpg"}));
  EXPECT_EQ(wrapped(U"a 123456789", 4, 5), (Lines{U"a", U"1234", U"5678", U"9"}));
  EXPECT_EQ(wrapped(U"ab", 0.5, 5), (Lines{U"a", U"b"})) << "a line holds at least one character";
}

TEST(WrapText, EndsInAnEllipsisWhereTextIsLeftOut) {
  EXPECT_EQ(wrapped(U"a red coat", 5, 1), (Lines{U"a re…"}));
  EXPECT_EQ(wrapped(U"a red coat and a hat", 5, 2), (Lines{U"a red", U"coat…"}));
  EXPECT_EQ(wrapped(U"a red   ", 5, 1), (Lines{U"a red"})) << "nothing is left out";
  EXPECT_EQ(wrapped(U"123456789", 3, 2), (Lines{U"123", U"45…"}));
  EXPECT_EQ(wrapped(std::u32string(100000, U'w'), 5, 4).size(), 4u);
}

TEST(WrapText, NoLineOfARealFontIsTooWide) {
  const auto font = hershey_font();
  const std::u32string text = drawable(
      "A man with short black hair wears a dark leather jacket with a grey hood, black trousers and "
      "averyveryveryverylongwordthatfitsnoline");
  for (const double width : {30.0, 77.0, 150.0})
    for (const auto& line : wrap_text(*font, text, 11, width, 6))
      EXPECT_LE(text_width(*font, line, 11), width);
}

}  // namespace
}  // namespace edgeclip
