#include "data/image/png_text.h"

#include <zlib.h>

#include <cstdint>

#include "base/error.h"
#include "base/utf8.h"
#include "data/text/unicode.h"

namespace edgeclip {

namespace {

constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n", 8);
/// The signature and IHDR (length, type, 13 bytes, checksum), which must come first.
constexpr std::size_t kAfterHeader = 8 + 4 + 4 + 13 + 4;

void append_u32(std::string& out, std::uint32_t v) {
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(v >> shift & 0xFF);
}

std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t k = 0; k < 4; ++k) v = v << 8 | static_cast<unsigned char>(bytes[at + k]);
  return v;
}

/// iTXt: keyword, 0, not compressed, method 0, language "", translated keyword "", text.
std::string text_chunk(const PngText& text) {
  EDGECLIP_CHECK(!text.keyword.empty() && text.keyword.size() < 80 && unicode::is_ascii(text.keyword));
  std::string chunk = "iTXt" + text.keyword + std::string(5, '\0');
  for (const char32_t c : utf8_to_utf32(text.text))
    if (c != 0) unicode::append(chunk, c);
  std::string out;
  append_u32(out, static_cast<std::uint32_t>(chunk.size() - 4));
  out += chunk;
  append_u32(out, static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(chunk.data()),
                                                   static_cast<uInt>(chunk.size()))));
  return out;
}

}  // namespace

std::string with_png_text(const std::string& png, const std::vector<PngText>& texts) {
  EDGECLIP_CHECK(png.size() > kAfterHeader && std::string_view(png).substr(0, 8) == kSignature);
  std::string out = png.substr(0, kAfterHeader);
  for (const auto& text : texts) out += text_chunk(text);
  return out + png.substr(kAfterHeader);
}

std::string png_text(std::string_view bytes, std::string_view keyword) {
  if (bytes.substr(0, kSignature.size()) != kSignature) return {};
  std::size_t at = kSignature.size();
  while (bytes.size() - at >= 12) {
    const std::size_t length = u32_at(bytes, at);
    if (length > bytes.size() - at - 12) return {};
    const std::string_view type = bytes.substr(at + 4, 4), data = bytes.substr(at + 8, length);
    at += 12 + length;
    const std::string head = std::string(keyword) + '\0';
    if (type != "iTXt" || data.substr(0, head.size()) != head) continue;
    const std::string_view rest = data.substr(head.size());
    if (rest.size() < 4 || rest[0] != 0) continue;  // compressed
    const std::size_t language = rest.find('\0', 2);
    const std::size_t translated = language == rest.npos ? rest.npos : rest.find('\0', language + 1);
    if (translated != rest.npos) return std::string(rest.substr(translated + 1));
  }
  return {};
}

}  // namespace edgeclip
