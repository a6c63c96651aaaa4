#include <algorithm>
#include <cctype>
#include <filesystem>
#include <sstream>
#include <unordered_map>

#include "base/csv.h"
#include "base/error.h"
#include "data/dataset/formats.h"

namespace edgeclip {

namespace {

using Rows = std::vector<std::vector<std::string>>;

bool has_tabs(const AnnotationFile& file) {
  return file.text.substr(0, file.text.find('\n')).find('\t') != std::string::npos;
}

/// Tab-separated values know no quotes.
Rows rows_of(const AnnotationFile& file) {
  if (!has_tabs(file)) return read_csv(file.path);
  Rows rows;
  std::istringstream lines(file.text);
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    auto& row = rows.emplace_back();
    for (std::size_t from = 0, tab = 0; tab != std::string::npos; from = tab + 1) {
      tab = line.find('\t', from);
      row.push_back(line.substr(from, tab == std::string::npos ? tab : tab - from));
    }
  }
  return rows;
}

struct Columns {
  std::size_t split = npos, id = npos, path = npos, caption = npos;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  explicit Columns(std::vector<std::string> header) {
    for (std::string& name : header) name = plain(name);
    const auto find = [&](std::initializer_list<const char*> names) {
      for (const char* name : names)
        if (const auto at = std::find(header.begin(), header.end(), name); at != header.end())
          return static_cast<std::size_t>(at - header.begin());
      return npos;
    };
    split = find({"split"});
    id = find({"id", "person_id", "pid"});
    path = find({"file_path", "path", "image", "image_path", "img_path", "filename", "filepath"});
    caption = find({"caption", "captions", "text", "title", "description"});
  }
  bool enough() const { return path != npos && caption != npos; }

 private:
  /// As names are compared: small letters, no space around.
  static std::string plain(const std::string& name) {
    const auto first = name.find_first_not_of(" \t\r");
    if (first == std::string::npos) return "";
    std::string text = name.substr(first, name.find_last_not_of(" \t\r") - first + 1);
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  }
};

/// An id that is no number stays a string, and is refused by name later.
Json id_of(const std::string& written) {
  const auto digits = written.find_first_not_of('0');  // "0012" is no JSON number
  const std::string text = written.empty() ? "" : digits == std::string::npos ? "0" : written.substr(digits);
  const Json number = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return number.is_number_integer() ? number : Json(written);
}

/// "0012/a.jpg" -> 12.
Json id_of_folder(const std::string& path) { return id_of(std::filesystem::path(path).begin()->string()); }

bool is_header(const std::vector<std::string>& row) { return Columns(row).enough(); }

/// The start of a line, for a message.
std::string start_of(const std::string& text) {
  std::string line = text.substr(0, text.find_first_of("\r\n"));
  if (line.size() <= 60) return line;
  std::size_t cut = 60;
  while ((static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80) --cut;  // not within a character
  return line.substr(0, cut) + "...";
}

}  // namespace

bool fits_csv(const AnnotationFile& file) {
  if (file.text.empty()) return false;
  const auto rows = rows_of(file);
  return !rows.empty() && is_header(rows.front());
}

std::string missing_header(const AnnotationFile& file) {
  if (file.text.empty()) return "";
  const Rows rows = rows_of(file);
  if (rows.empty() || rows.front().size() < 2) return "";
  const Columns columns(rows.front());
  const char* const lacks = columns.caption != Columns::npos ? "has no column of paths"
                            : columns.path != Columns::npos  ? "has no column of captions"
                                                             : "names no columns";
  return fmt::format(
      "its first line, \"{}\", {}: a header must name at least path and caption, and id and split where they "
      "are known, as in \"path,caption,id,split\" above lines like \"1/a.jpg,A man in a red coat.,1,train\"",
      start_of(file.text), lacks);
}

// Each row is one image and one caption.  Without a column of ids every image is an identity.
Json records_of_csv(const AnnotationFile& file) {
  const Rows rows = rows_of(file);
  const Columns columns(rows.front());
  Json records = Json::array();
  std::unordered_map<std::string, std::size_t> number_of;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto& row = rows[i];
    if (row.size() != rows.front().size()) {
      records.push_back({{"unusable", fmt::format("row {} has {} columns, the header {}", i, row.size(),
                                                  rows.front().size())}});
      continue;
    }
    const auto number = number_of.emplace(row[columns.path], number_of.size()).first->second;
    Json record = {{"id", columns.id == Columns::npos ? Json(number) : id_of(row[columns.id])},
                   {"file_path", row[columns.path]},
                   {"captions", {row[columns.caption]}}};
    if (columns.split != Columns::npos) record["split"] = row[columns.split];
    records.push_back(std::move(record));
  }
  return records;
}

bool fits_tree(const AnnotationFile& file) {
  if (file.text.empty()) return false;
  const auto rows = rows_of(file);
  return !rows.empty() && rows.front().size() == 2 && rows.front()[0].find('/') != std::string::npos;
}

Json records_of_tree(const AnnotationFile& file) {
  Json records = Json::array();
  for (const auto& row : rows_of(file)) {
    if (row.size() != 2 || row[0].find('/') == std::string::npos)
      records.push_back({{"unusable", "is not \"id/image.jpg\" and a caption"}});
    else
      records.push_back({{"id", id_of_folder(row[0])}, {"file_path", row[0]}, {"captions", {row[1]}}});
  }
  return records;
}

}  // namespace edgeclip
