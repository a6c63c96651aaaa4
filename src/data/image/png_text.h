#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edgeclip {

/// A text that a PNG carries about itself (chunk iTXt).  keyword: 1 to 79 printable ASCII characters; the
/// ones that image viewers know are "Title" and "Description".  text: UTF-8.
struct PngText {
  std::string keyword, text;
};

/// png: a whole file as encode_png() makes it; the texts come first in it.  An invalid byte of a text becomes
/// U+FFFD, a zero byte is left out.
std::string with_png_text(const std::string& png, const std::vector<PngText>& texts);

/// The first text under the keyword, "" where there is none; compressed texts are passed over.  bytes: any
/// file; a damaged or foreign one holds no text.
std::string png_text(std::string_view bytes, std::string_view keyword);

}  // namespace edgeclip
