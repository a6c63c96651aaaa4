#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Pieces of a self-contained HTML page: no script, no outside resource.
namespace edgeclip::report {

/// Text for element content and quoted attributes: & < > " ' escaped, bytes that are not UTF-8 replaced.
std::string escape_html(std::string_view text);

std::string base64(std::string_view bytes);

/// A table; the first column is left-aligned, others of which most cells are numbers are right-aligned. Cells
/// are plain text.  Two columns are names and values; without any column's name there is no head.
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<bool> marked{};  ///< rows that are to be seen; may be shorter than rows
};
std::string html_table(const Table& table);

/// A PNG or JPEG as a data URI; "" if bytes are neither.
std::string image_uri(const std::string& bytes);

/// <figure> with a PNG or JPEG as a data URI.  alt: the picture in words.  Throws InvalidInput naming the
/// file if its bytes are neither.
std::string html_image(const std::filesystem::path& path, const std::string& bytes, const std::string& alt,
                       const std::string& caption);

/// Text that is folded away until somebody opens it.
std::string html_details(const std::string& summary, const std::string& body);

/// <section> with a heading.
std::string html_section(const std::string& title, const std::string& body);

/// The whole page with its style, which follows the reader's choice of light or dark.  body: HTML.
std::string html_page(const std::string& title, const std::string& body, const std::string& footer);

}  // namespace edgeclip::report
