#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "data/image/image.h"

namespace edgeclip {

struct Ink {
  std::uint8_t red, green, blue;
};

/// Draws one line of text into a picture, left to right, a glyph per code point: scripts that join their
/// letters or run from right to left are not shaped.  Sizes are pixels per em.  Not thread-safe.
class Font {
 public:
  virtual ~Font() = default;
  /// Pixels by which c moves the pen, kerning behind `before` included (0: c is the first one); 0 for a mark
  /// that stands over the letter before it.
  virtual double advance(char32_t before, char32_t c, double size) = 0;
  /// x, baseline: where the pen starts.  What lies outside the picture is left out.
  virtual void draw(Image& image, std::u32string_view text, double x, double baseline, double size,
                    Ink ink) = 0;
  /// What stands for text that was left out: "…" where the font has it.
  virtual std::u32string_view ellipsis() = 0;
};

/// A scalable font file, drawn by FreeType with smooth edges; a character that it lacks appears as its box
/// for missing glyphs.  Throws InvalidInput if the file is none.
std::unique_ptr<Font> open_font(const std::filesystem::path& path);

/// OpenCV's Hershey strokes, which need no file: ASCII only, any other character appears as '?'.
std::unique_ptr<Font> hershey_font();

/// The file that the environment variable EDGECLIP_FONT names, else DejaVu Sans where distributions install
/// it, else hershey_font().  A variable that names no font, and having no font file at all, is warned about
/// once.
std::unique_ptr<Font> find_font();

}  // namespace edgeclip
