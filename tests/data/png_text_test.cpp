#include "data/image/png_text.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "data/image/codecs.h"
#include "support/support.h"

namespace edgeclip {
namespace {

Image picture() {
  Image image(3, 2);
  for (std::size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<std::uint8_t>(i * 13);
  return image;
}

TEST(PngText, IsReadBackAndThePictureStays) {
  const std::string plain = encode_png(picture()),
                    png = with_png_text(plain, {{"Title", "ein weißer Mantel"}, {"Description", "10 of 81"}});
  EXPECT_EQ(png_text(png, "Title"), "ein weißer Mantel");
  EXPECT_EQ(png_text(png, "Description"), "10 of 81");
  EXPECT_EQ(png_text(png, "Titl"), "");
  EXPECT_EQ(png_text(plain, "Title"), "");
  EXPECT_EQ(decode_png(png, "p").rgb, picture().rgb);  // libpng checks the chunks' checksums
}

TEST(PngText, TakesAnyText) {
  const std::string png =
      with_png_text(encode_png(picture()), {{"Title", std::string("a\0b\xff", 4)}, {"Description", ""}});
  EXPECT_EQ(png_text(png, "Title"), "ab\xef\xbf\xbd");
  EXPECT_EQ(png_text(png, "Description"), "");
  EXPECT_EQ(decode_png(png, "p").rgb, picture().rgb);
}

TEST(PngText, DamagedFilesHoldNone) {
  const std::string png = with_png_text(encode_png(picture()), {{"Title", "t"}});
  for (std::size_t size = 0; size < png.size(); ++size) {
    const std::string text = png_text(std::string_view(png).substr(0, size), "Title");
    EXPECT_TRUE(text.empty() || text == "t") << size;
  }
  std::string wild = png;
  wild[33] = wild[34] = wild[35] = wild[36] = '\xff';  // the length of the chunk
  EXPECT_EQ(png_text(wild, "Title"), "");
  for (std::size_t at = 8; at < png.size(); ++at) {  // whatever byte is wrong: no crash
    wild = png;
    wild[at] = static_cast<char>(wild[at] ^ 0x55);
    EXPECT_LE(png_text(wild, "Title").size(), png.size());
  }
  EXPECT_EQ(png_text("\xff\xd8\xff\xe0", "Title"), "");
  EXPECT_EQ(png_text("", "Title"), "");
}

}  // namespace
}  // namespace edgeclip
