#include "base/utf8.h"

#include "base/error.h"

namespace edgeclip {

namespace {

/// Length of the valid sequence at text[i] and its code point; 0 if invalid (Unicode 15, table 3-7).
int decode(std::string_view text, std::size_t i, char32_t* code) {
  const auto byte = [&](std::size_t k) -> unsigned {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u;
  };
  const unsigned b0 = byte(i);
  if (b0 < 0x80) return *code = b0, 1;
  const int length = b0 >= 0xF0 ? 4 : b0 >= 0xE0 ? 3 : 2;
  if (b0 < 0xC2 || b0 > 0xF4) return 0;
  char32_t c = b0 & (0x7Fu >> length);
  for (int k = 1; k < length; ++k) {
    const unsigned b = byte(i + static_cast<std::size_t>(k));
    if ((b & 0xC0) != 0x80) return 0;
    c = c << 6 | (b & 0x3F);
  }
  if ((length == 3 && c < 0x800) || (length == 4 && (c < 0x10000 || c > 0x10FFFF)) ||
      (c >= 0xD800 && c <= 0xDFFF))
    return 0;
  return *code = c, length;
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  char32_t code = 0;
  for (std::size_t i = 0; i < text.size();) {
    const int n = decode(text, i, &code);
    if (n == 0) return i;
    i += static_cast<std::size_t>(n);
  }
  return std::string_view::npos;
}

void require_utf8(std::string_view text, std::string_view what) {
  const auto at = find_invalid_utf8(text);
  if (at != std::string_view::npos)
    invalid_input("{}: is not valid UTF-8 (byte 0x{:02X} at offset {}); convert the text to UTF-8", what,
                  static_cast<unsigned char>(text[at]), at);
}

std::u32string utf8_to_utf32(std::string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) {
    char32_t code = 0xFFFD;
    const int n = decode(text, i, &code);
    out.push_back(n == 0 ? U'\xFFFD' : code);
    i += static_cast<std::size_t>(n == 0 ? 1 : n);
  }
  return out;
}

void drop_byte_order_mark(std::string& text) {
  if (text.compare(0, 3, "\xEF\xBB\xBF") == 0) text.erase(0, 3);
}

}  // namespace edgeclip
