#include "data/text/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <new>

#include "base/error.h"

namespace edgeclip::unicode {

namespace {

bool has_category(char32_t c, std::uint32_t mask) {
  return (U_MASK(u_charType(static_cast<UChar32>(c))) & mask) != 0;
}

void require_success(UErrorCode status) {
  if (status == U_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
  EDGECLIP_CHECK(U_SUCCESS(status), "ICU: {}", u_errorName(status));
}

std::string normalized(const icu::Normalizer2* (*form)(UErrorCode&), std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = form(status);
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  if (U_SUCCESS(status))
    normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
                              nullptr, status);
  require_success(status);
  return out;
}

}  // namespace

bool is_letter(char32_t c) { return has_category(c, U_GC_L_MASK); }
bool is_number(char32_t c) { return has_category(c, U_GC_N_MASK); }
bool is_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)); }
bool is_mark(char32_t c) { return has_category(c, U_GC_MN_MASK); }
bool is_punctuation(char32_t c) { return has_category(c, U_GC_P_MASK); }
bool is_other(char32_t c) { return has_category(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK); }

char32_t next(std::string_view text, std::size_t* at) {
  UChar32 c = 0;
  U8_NEXT_UNSAFE(text.data(), *at, c);
  return static_cast<char32_t>(c);
}

void append(std::string& text, char32_t c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += {static_cast<char>(0xC0 | c >> 6), tail(0)};
  } else if (c < 0x10000) {
    text += {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
  } else {
    text += {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
  }
}

bool is_ascii(std::string_view text) {
  unsigned char any = 0;
  for (const char c : text) any |= static_cast<unsigned char>(c);
  return any < 0x80;
}

std::string to_nfc(std::string_view text) { return normalized(icu::Normalizer2::getNFCInstance, text); }
std::string to_nfd(std::string_view text) { return normalized(icu::Normalizer2::getNFDInstance, text); }

std::string to_lower(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  icu::CaseMap::utf8ToLower("", 0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
                            nullptr, status);
  require_success(status);
  return out;
}

std::string to_lower_each(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next(text, &at);
    if (c == 0x130)  // the only one whose lower case is two code points
      out += "i\xCC\x87";
    else
      append(out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
  }
  return out;
}

}  // namespace edgeclip::unicode
