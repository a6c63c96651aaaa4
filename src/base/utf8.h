#pragma once

#include <string>
#include <string_view>

namespace edgeclip {

/// Byte offset of the first byte that is not valid UTF-8 (overlong forms, surrogates and > U+10FFFF
/// included); std::string_view::npos if all of it is valid.
std::size_t find_invalid_utf8(std::string_view text);

/// Throws InvalidInput naming `what` and the offending byte if text is not valid UTF-8.
void require_utf8(std::string_view text, std::string_view what);

/// Code points; an invalid byte becomes U+FFFD.
std::u32string utf8_to_utf32(std::string_view text);

/// Takes away the byte order mark that spreadsheets and editors of Windows put in front of a text.
void drop_byte_order_mark(std::string& text);

}  // namespace edgeclip
