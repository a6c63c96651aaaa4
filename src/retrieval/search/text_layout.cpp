#include "retrieval/search/text_layout.h"

#include "base/error.h"
#include "base/utf8.h"
#include "data/text/unicode.h"

namespace edgeclip {

namespace {

/// Format characters, and those that choose a form of the character before them.
bool is_invisible(char32_t c) {
  const bool private_use = (c >= 0xE000 && c <= 0xF8FF) || c >= 0xF0000;
  return (c >= 0xFE00 && c <= 0xFE0F) || (unicode::is_other(c) && !private_use);
}

/// The line shortened so that it ends in the ellipsis and is no wider than `width`.
void ellipsize(Font& font, std::u32string& line, double size, double width) {
  const std::u32string_view dots = font.ellipsis();
  while (!line.empty() &&
         (line.back() == U' ' || text_width(font, line + std::u32string(dots), size) > width))
    line.pop_back();
  line += dots;
}

}  // namespace

std::u32string drawable(std::string_view utf8) {
  std::u32string out;
  std::string valid;
  for (const char32_t c : utf8_to_utf32(utf8)) unicode::append(valid, c);
  for (const char32_t c : utf8_to_utf32(unicode::to_nfc(valid))) {
    if (unicode::is_space(c))
      out += U' ';
    else if (c < 0x20 || (c >= 0x7F && c < 0xA0))
      out += U'\xFFFD';
    else if (!is_invisible(c))
      out += c;
  }
  return out;
}

double text_width(Font& font, std::u32string_view text, double size) {
  double width = 0;
  char32_t before = 0;
  for (const char32_t c : text) {
    width += font.advance(before, c, size);
    before = c;
  }
  return width;
}

std::vector<std::u32string> wrap_text(Font& font, std::u32string_view text, double size, double width,
                                      std::size_t most) {
  EDGECLIP_CHECK(most > 0);
  std::vector<std::u32string> lines(1);
  double used = 0;  // width of the last line
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    std::u32string& line = lines.back();
    if (c == U' ' && (line.empty() || line.back() == U' ')) continue;
    const double step = font.advance(line.empty() ? 0 : line.back(), c, size);
    if (line.empty() || used + step <= width) {
      line += c;
      used += step;
      continue;
    }
    const std::size_t blank = c == U' ' ? line.size() : line.rfind(U' ');
    std::u32string rest;
    if (blank == std::u32string::npos) {
      rest = c;
    } else if (c != U' ') {
      rest = line.substr(blank + 1) + c;
    }
    if (lines.size() == most) {
      // Nothing is missing where only blanks are left.
      if (text.find_first_not_of(U' ', i) != text.npos) ellipsize(font, line, size, width);
      break;
    }
    if (blank != std::u32string::npos) line.resize(blank);
    lines.push_back(rest);
    used = text_width(font, rest, size);
  }
  while (!lines.back().empty() && lines.back().back() == U' ') lines.back().pop_back();
  if (lines.size() > 1 && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace edgeclip
