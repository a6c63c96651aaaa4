#include "retrieval/search/font.h"

#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_OUTLINE_H

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <opencv2/imgproc.hpp>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

namespace edgeclip {

namespace {

namespace fs = std::filesystem;

constexpr const char* kFontFiles[] = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",    // Debian, Ubuntu: fonts-dejavu-core
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",  // Fedora
    "/usr/share/fonts/TTF/DejaVuSans.ttf",                // Arch
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",             // Alpine, Gentoo
    "/usr/local/share/fonts/DejaVuSans.ttf",
};

/// Part of a pixel's colour, `coverage` of 255 of it in ink.
void blend(std::uint8_t* pixel, Ink ink, int coverage) {
  const int rgb[3] = {ink.red, ink.green, ink.blue};
  for (int k = 0; k < 3; ++k)
    pixel[k] = static_cast<std::uint8_t>((pixel[k] * (255 - coverage) + rgb[k] * coverage + 127) / 255);
}

class FreeTypeFont : public Font {
 public:
  explicit FreeTypeFont(const fs::path& path) {
    require_file(path, "font");  // a pipe would be waited for without end
    EDGECLIP_CHECK(FT_Init_FreeType(&library_) == 0, "FreeType cannot start");
    if (FT_New_Face(library_, path.c_str(), 0, &face_) != 0 || !FT_IS_SCALABLE(face_)) {
      close();
      invalid_input("{}: is no scalable font; name a TrueType or OpenType file", path.string());
    }
  }
  ~FreeTypeFont() override { close(); }
  FreeTypeFont(const FreeTypeFont&) = delete;
  FreeTypeFont& operator=(const FreeTypeFont&) = delete;

  double advance(char32_t before, char32_t c, double size) override {
    set_size(size);
    const FT_UInt glyph = FT_Get_Char_Index(face_, c);
    // As designed, not rounded to pixels: glyphs are drawn at parts of a pixel.
    const double width = load(glyph) ? static_cast<double>(face_->glyph->linearHoriAdvance) / 65536 : 0;
    return width + kerning(before, glyph);
  }

  void draw(Image& image, std::u32string_view text, double x, double baseline, double size,
            Ink ink) override {
    char32_t before = 0;
    for (const char32_t c : text) {
      const double width = advance(before, c, size);  // loads the glyph
      const FT_GlyphSlot slot = face_->glyph;
      const double pen = x + kerning(before, FT_Get_Char_Index(face_, c)), whole = std::floor(pen);
      if (loaded_ && slot->format == FT_GLYPH_FORMAT_OUTLINE) {
        FT_Outline_Translate(&slot->outline, static_cast<FT_Pos>(std::lround((pen - whole) * 64)), 0);
        if (FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL) == 0)
          blit(image, slot->bitmap, static_cast<int>(whole) + slot->bitmap_left,
               static_cast<int>(std::lround(baseline)) - slot->bitmap_top, ink);
      }
      x += width;
      before = c;
    }
  }

  std::u32string_view ellipsis() override { return FT_Get_Char_Index(face_, U'…') != 0 ? U"…" : U"..."; }

 private:
  void close() {
    if (face_ != nullptr) FT_Done_Face(face_);
    FT_Done_FreeType(library_);
  }

  void set_size(double size) {
    if (size == size_) return;
    size_ = size;
    FT_Set_Char_Size(face_, 0, static_cast<FT_F26Dot6>(std::lround(size * 64)), 72, 72);
  }

  bool load(FT_UInt glyph) {
    loaded_ = FT_Load_Glyph(face_, glyph, FT_LOAD_NO_BITMAP | FT_LOAD_TARGET_LIGHT) == 0;
    return loaded_;
  }

  double kerning(char32_t before, FT_UInt glyph) {
    FT_Vector delta{};
    if (before != 0 && FT_HAS_KERNING(face_))
      FT_Get_Kerning(face_, FT_Get_Char_Index(face_, before), glyph, FT_KERNING_UNFITTED, &delta);
    return static_cast<double>(delta.x) / 64;
  }

  static void blit(Image& image, const FT_Bitmap& bitmap, int left, int top, Ink ink) {
    if (bitmap.pixel_mode != FT_PIXEL_MODE_GRAY) return;
    const int right = std::min(image.width, left + static_cast<int>(bitmap.width)),
              bottom = std::min(image.height, top + static_cast<int>(bitmap.rows));
    for (int y = std::max(0, top); y < bottom; ++y) {
      const unsigned char* coverage = bitmap.buffer + static_cast<std::ptrdiff_t>(y - top) * bitmap.pitch;
      for (int x = std::max(0, left); x < right; ++x) blend(image.row(y) + 3 * x, ink, coverage[x - left]);
    }
  }

  FT_Library library_ = nullptr;
  FT_Face face_ = nullptr;
  double size_ = -1;
  bool loaded_ = false;  ///< face_->glyph holds what was asked for last
};

class HersheyFont : public Font {
 public:
  double advance(char32_t, char32_t c, double size) override {
    int baseline = 0;
    constexpr double kFine = 64;  // getTextSize counts whole pixels
    return cv::getTextSize(std::string(1, ascii(c)), kFace, kFine, 0, &baseline).width / kFine * scale(size);
  }

  void draw(Image& image, std::u32string_view text, double x, double baseline, double size,
            Ink ink) override {
    std::string line;
    for (const char32_t c : text) line += ascii(c);
    cv::Mat canvas(image.height, image.width, CV_8UC3, image.rgb.data());  // RGB, drawn in place
    cv::putText(canvas, line, {static_cast<int>(std::lround(x)), static_cast<int>(std::lround(baseline))},
                kFace, scale(size), cv::Scalar(ink.red, ink.green, ink.blue), 1, cv::LINE_AA);
  }

  std::u32string_view ellipsis() override { return U"..."; }

 private:
  static constexpr int kFace = cv::FONT_HERSHEY_SIMPLEX;
  /// Its capitals, 21 units high, as high as those of DejaVu Sans.
  static double scale(double size) { return 0.73 * size / 21; }
  static char ascii(char32_t c) { return c >= 32 && c < 127 ? static_cast<char>(c) : '?'; }
};

}  // namespace

std::unique_ptr<Font> open_font(const fs::path& path) { return std::make_unique<FreeTypeFont>(path); }

std::unique_ptr<Font> hershey_font() { return std::make_unique<HersheyFont>(); }

std::unique_ptr<Font> find_font() {
  static std::atomic<bool> warned{false};
  if (const char* named = std::getenv("EDGECLIP_FONT"); named != nullptr && *named != 0) {
    try {
      return open_font(named);
    } catch (const InvalidInput& error) {
      if (!warned.exchange(true)) spdlog::warn("EDGECLIP_FONT: {}; it is not used", error.what());
    }
  }
  for (const char* path : kFontFiles) {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    try {
      return open_font(path);
    } catch (const InvalidInput&) {  // a broken file there: the next one
    }
  }
  if (!warned.exchange(true))
    spdlog::warn(
        "no font found: pictures show '?' for letters outside ASCII; install fonts-dejavu-core, or name a "
        "font file in "
        "EDGECLIP_FONT");
  return hershey_font();
}

}  // namespace edgeclip
