#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "retrieval/search/font.h"

namespace edgeclip {

/// What of a text can be drawn: composed (NFC), an invalid byte or a control character as U+FFFD, white space
/// as a blank, invisible format characters left out.
std::u32string drawable(std::string_view utf8);

/// Pixels from the pen before the text to the pen after it, at `size` pixels per em.
double text_width(Font& font, std::u32string_view text, double size);

/// Lines no wider than `width` pixels, broken at blanks, or within a word that is wider than a line (but
/// never before the first character of a line).  At most `most` lines: the last one then ends in the font's
/// ellipsis.  At least one line, which may be empty.
std::vector<std::u32string> wrap_text(Font& font, std::u32string_view text, double size, double width,
                                      std::size_t most);

}  // namespace edgeclip
