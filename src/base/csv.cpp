#include "base/csv.h"

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

namespace edgeclip {

std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path) {
  std::string text = read_file(path);
  require_utf8(text, path.string());
  drop_byte_order_mark(text);
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row;
  std::string field;
  bool quoted = false, was_quoted = false;
  std::size_t line = 1, opened = 0;
  const auto end_row = [&] {
    if (row.empty() && field.empty() && !was_quoted) return;  // an empty line
    row.push_back(std::move(field));
    field.clear();
    was_quoted = false;
    rows.push_back(std::move(row));
    row.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"')
        field += c;
      else if (i + 1 < text.size() && text[i + 1] == '"')
        field += '"', ++i;
      else
        quoted = false;
    } else if (c == '"' && field.empty()) {
      quoted = was_quoted = true;
      opened = line;
    } else if (c == ',') {
      row.push_back(std::move(field));
      field.clear();
      was_quoted = true;  // "a," has a second, empty field
    } else if (c == '\n') {
      end_row();
    } else if (c != '\r' || (i + 1 < text.size() && text[i + 1] != '\n')) {
      field += c;
    }
  }
  if (quoted) invalid_input("{}: line {}: a quoted field is not closed", path.string(), opened);
  end_row();
  return rows;
}

std::string csv_row(const std::vector<std::string>& fields) {
  if (fields.size() == 1 && fields[0].empty()) return "\"\"\n";  // an empty line would be no row
  std::string out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i) out += ',';
    const std::string& f = fields[i];
    if (f.find_first_of(",\"\r\n") == std::string::npos) {
      out += f;
      continue;
    }
    out += '"';
    for (const char c : f) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  }
  return out += '\n';
}

std::vector<std::vector<std::string>> read_csv_table(const std::filesystem::path& path,
                                                     const std::vector<std::string>& header) {
  auto rows = read_csv(path);
  if (rows.empty() || rows.front() != header) {
    std::string expected = csv_row(header);
    expected.pop_back();
    invalid_input("{}: the first line must be \"{}\"", path.string(), expected);
  }
  rows.erase(rows.begin());
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i].size() != header.size())
      invalid_input("{}: record {} has {} fields, {} are expected", path.string(), i + 1, rows[i].size(),
                    header.size());
  return rows;
}

}  // namespace edgeclip
