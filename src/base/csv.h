#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Comma-separated values as in RFC 4180: fields with a comma, quote or line break are quoted, quotes
/// doubled.
namespace edgeclip {

/// All rows, the header first; a byte order mark is passed over.  Throws InvalidInput (file, line) for an
/// unclosed quote or text that is not UTF-8.
std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path);

/// One row with its line end, ready to be written.
std::string csv_row(const std::vector<std::string>& fields);

/// Rows of a file whose header must be exactly `header`.  Throws InvalidInput otherwise, or if a row is short
/// or long.
std::vector<std::vector<std::string>> read_csv_table(const std::filesystem::path& path,
                                                     const std::vector<std::string>& header);

}  // namespace edgeclip
