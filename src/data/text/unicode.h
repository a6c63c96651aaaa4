#pragma once

#include <string>
#include <string_view>

/// What tokenizers need of Unicode, through ICU.  Text is UTF-8 and valid (base/utf8.h checks it); code
/// points are char32_t.  Thread-safe, no global state.
namespace edgeclip::unicode {

bool is_letter(char32_t c);       ///< \p{L}
bool is_number(char32_t c);       ///< \p{N}
bool is_space(char32_t c);        ///< White_Space
bool is_mark(char32_t c);         ///< \p{Mn}
bool is_punctuation(char32_t c);  ///< \p{P}
/// \p{Cc}, \p{Cf}, \p{Co}: control, format, private use; not unassigned ones.
bool is_other(char32_t c);

/// The next code point at *at, which is moved behind it.
char32_t next(std::string_view text, std::size_t* at);
void append(std::string& text, char32_t c);
bool is_ascii(std::string_view text);

std::string to_nfc(std::string_view text);
std::string to_nfd(std::string_view text);
/// Full lower case of a text, with the final sigma: Python's str.lower().
std::string to_lower(std::string_view text);
/// Lower case of each code point by itself: Rust's char::to_lowercase().
std::string to_lower_each(std::string_view text);

}  // namespace edgeclip::unicode
