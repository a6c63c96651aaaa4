#include "cli/runtime/texts.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"

namespace edgeclip {

namespace {

bool blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

std::vector<std::string> lines_of(const std::string& content) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    lines.push_back(content.substr(begin, end - begin));
    if (!lines.back().empty() && lines.back().back() == '\r') lines.back().pop_back();
    begin = end + 1;
  }
  while (!lines.empty() && blank(lines.back())) lines.pop_back();
  return lines;
}

}  // namespace

std::vector<std::string> read_texts(const std::filesystem::path& path) {
  std::string content = read_file(path);
  drop_byte_order_mark(content);
  const auto first = content.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && content[first] == '[';
  std::vector<std::string> texts;
  if (json) {
    const Json list = read_json(path);
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_string())
        invalid_input("{}: [{}]: expected a string, found {}", path.string(), i, json_kind(list[i]));
      texts.push_back(list[i].get<std::string>());
    }
  } else {
    texts = lines_of(content);
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string where =
        json ? fmt::format("{}: [{}]", path.string(), i) : fmt::format("{}:{}", path.string(), i + 1);
    require_utf8(texts[i], where);
    if (blank(texts[i])) invalid_input("{}: the text is empty; write a description or remove it", where);
  }
  if (texts.empty()) invalid_input("{}: holds no text; write one description per line", path.string());
  return texts;
}

}  // namespace edgeclip
