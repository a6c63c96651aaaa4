#include "cli/runtime/texts.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
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
    const Json list = parse_json(content, path);
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

std::string beginning(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // a whole character
  return text.substr(0, end) + "...";
}

namespace {

std::vector<std::string> characters_of(const std::string& word) {
  std::vector<std::string> characters;
  for (const char c : word) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) characters.emplace_back();
    characters.back() += c;
  }
  return characters;
}

/// What of the text becomes the unknown token: characters, or words where no character alone is to blame.
std::vector<std::string> unknown_pieces(const Tokenizer& tokenizer, const std::string& text) {
  const auto is_unknown = [&](const std::string& part) {
    const auto ids = tokenizer.encode(part);
    return std::find(ids.begin(), ids.end(), tokenizer.unknown_id()) != ids.end();
  };
  std::vector<std::string> pieces;
  const auto add = [&](const std::string& piece) {
    if (std::find(pieces.begin(), pieces.end(), piece) == pieces.end()) pieces.push_back(piece);
  };
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!is_unknown(word)) continue;
    bool blamed = false;
    for (const auto& character : characters_of(word))
      if (is_unknown(character)) {
        blamed = true;
        add(character);
      }
    if (!blamed) add(word);
  }
  return pieces;
}

}  // namespace

std::string unseen_of(const Tokenizer& tokenizer, const std::string& text, int context_length) {
  const auto ids = tokenizer.encode(text);
  const auto most = static_cast<std::size_t>(context_length - tokenizer.ends());
  std::string message;
  if (ids.size() > most)
    message =
        fmt::format("{} of {} tokens are cut off, the model reads {}", ids.size() - most, ids.size(), most);
  const std::int32_t unknown = tokenizer.unknown_id();
  if (unknown < 0 || std::find(ids.begin(), ids.end(), unknown) == ids.end()) return message;
  constexpr std::size_t kMostPieces = 8, kLongestPiece = 40;
  const auto pieces = unknown_pieces(tokenizer, text);
  std::string list;
  for (std::size_t i = 0; i < std::min(pieces.size(), kMostPieces); ++i)
    list += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", beginning(pieces[i], kLongestPiece));
  if (pieces.size() > kMostPieces) list += fmt::format(" and {} others", pieces.size() - kMostPieces);
  return message + (message.empty() ? "" : "; ") + "the vocabulary does not know " + list;
}

void warn_of_unseen(const Tokenizer& tokenizer, const std::vector<std::string>& texts, int context_length) {
  constexpr int kMostLines = 10;
  constexpr std::size_t kLongestName = 60;
  int found = 0;
  for (const auto& text : texts) {
    const std::string unseen = unseen_of(tokenizer, text, context_length);
    if (!unseen.empty() && ++found <= kMostLines)
      spdlog::warn("\"{}\": {}", beginning(text, kLongestName), unseen);
  }
  if (found > kMostLines) spdlog::warn("{} other texts are not seen whole either", found - kMostLines);
}

}  // namespace edgeclip
