#include "data/text/wordpiece_tokenizer.h"

#include <algorithm>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "data/text/unicode.h"

namespace edgeclip {

namespace {

constexpr std::size_t kLongestWord = 100;  // characters

bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_ascii_punctuation(char32_t c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
}

bool is_punctuation(char32_t c) { return c < 128 ? is_ascii_punctuation(c) : unicode::is_punctuation(c); }

/// Control characters out, white space to blanks, blanks around CJK characters.
std::string clean(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = unicode::next(text, &at);
    if (c == '\t' || c == '\n' || c == '\r') {
      out += ' ';
    } else if (c == 0 || c == 0xFFFD || unicode::is_other(c)) {
      continue;
    } else if (unicode::is_space(c)) {
      out += ' ';
    } else if (is_cjk(c)) {
      out += ' ';
      unicode::append(out, c);
      out += ' ';
    } else {
      unicode::append(out, c);
    }
  }
  return out;
}

std::string without_accents(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = unicode::next(text, &at);
    if (!unicode::is_mark(c)) unicode::append(out, c);
  }
  return out;
}

std::string normalized(std::string_view text) {
  if (!unicode::is_ascii(text)) return unicode::to_lower_each(without_accents(unicode::to_nfd(clean(text))));
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\t' || c == '\n' || c == '\r')
      out += ' ';
    else if (c >= 32 && c != 127)
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return out;
}

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(std::vector<std::string> pieces, const std::string& name)
    : pieces_(std::move(pieces)) {
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const std::string& piece = pieces_[i];
    const bool inner = piece.size() > 2 && piece[0] == '#' && piece[1] == '#';
    (inner ? inner_ : whole_).emplace(inner ? piece.substr(2) : piece, static_cast<std::int32_t>(i));
  }
  const auto required = [&](const char* piece) {
    const auto it = whole_.find(std::string_view(piece));
    if (it == whole_.end()) invalid_input("{}: the vocabulary has no {}; it is not one of BERT", name, piece);
    special_.emplace_back(piece, it->second);
    return it->second;
  };
  begin_ = required("[CLS]");
  end_ = required("[SEP]");
  pad_ = required("[PAD]");
  unknown_ = required("[UNK]");
  mask_ = unknown_;
  if (const auto it = whole_.find(std::string_view("[MASK]")); it != whole_.end()) {
    mask_ = it->second;
    special_.emplace_back("[MASK]", mask_);
  }
}

std::vector<std::int32_t> WordPieceTokenizer::encode(std::string_view text) const {
  require_utf8(text, "text");
  std::vector<std::int32_t> ids;
  std::size_t from = 0;
  for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at)) {
    const auto found = std::find_if(special_.begin(), special_.end(), [&](const auto& s) {
      return text.substr(at, s.first.size()) == s.first;
    });
    if (found == special_.end()) {
      ++at;
      continue;
    }
    encode_plain(text.substr(from, at - from), ids);
    ids.push_back(found->second);
    from = at += found->first.size();
  }
  encode_plain(text.substr(from), ids);
  return ids;
}

void WordPieceTokenizer::encode_plain(std::string_view raw, std::vector<std::int32_t>& ids) const {
  const std::string text = normalized(raw);
  std::size_t start = 0;  // of the word that is being read
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t before = at;
    const char32_t c = unicode::next(text, &at);
    const bool space = unicode::is_space(c), punctuation = !space && is_punctuation(c);
    if (!space && !punctuation) continue;
    encode_word(std::string_view(text).substr(start, before - start), ids);
    if (punctuation) encode_word(std::string_view(text).substr(before, at - before), ids);
    start = at;
  }
  encode_word(std::string_view(text).substr(start), ids);
}

void WordPieceTokenizer::encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (word.empty()) return;
  const auto characters = static_cast<std::size_t>(std::count_if(
      word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  if (characters > kLongestWord) return ids.push_back(unknown_);
  const std::size_t before = ids.size();
  for (std::size_t at = 0; at < word.size();) {
    const Ids& known = at == 0 ? whole_ : inner_;
    std::size_t end = word.size();
    auto it = known.find(word.substr(at, end - at));
    while (it == known.end() && end > at) {
      do --end;  // a whole character
      while (end > at && (static_cast<unsigned char>(word[end]) & 0xC0) == 0x80);
      if (end > at) it = known.find(word.substr(at, end - at));
    }
    if (end == at) {
      ids.resize(before);
      return ids.push_back(unknown_);
    }
    ids.push_back(it->second);
    at = end;
  }
}

// As tokenizers' WordPiece decoder without special tokens: no blank in front of closing punctuation.
std::string WordPieceTokenizer::decode(const std::vector<std::int32_t>& ids) const {
  std::string text;
  bool first = true;
  for (const std::int32_t id : ids) {
    const std::string piece = this->piece(id);
    if (std::any_of(special_.begin(), special_.end(), [&](const auto& s) { return s.second == id; }))
      continue;
    if (!first && piece.size() > 2 && piece.compare(0, 2, "##") == 0)
      text += piece.substr(2);
    else if (first || piece == "." || piece == "," || piece == "?" || piece == "!")
      text += piece;
    else
      text += " " + piece;
    first = false;
  }
  return text;
}

std::string WordPieceTokenizer::piece(std::int32_t id) const {
  require_id(id);
  return pieces_[static_cast<std::size_t>(id)];
}

void WordPieceTokenizer::save(const std::filesystem::path& directory) const {
  constexpr const char* kVocabularyFile = "vocab.txt";
  std::string text;
  for (const auto& piece : pieces_) text += piece + "\n";
  AtomicFile file(directory / kVocabularyFile);
  file.write(text);
  file.commit();
  write_json(directory / kTokenizerFile,
             Json{{"format", kTokenizerFormat},
                  {"type", "wordpiece"},
                  {"model", kVocabularyFile},
                  {"hash", hash_text(text)},
                  {"ids", {{"pad", pad_}, {"unk", unknown_}, {"begin", begin_}, {"end", end_}}},
                  {"vocab_size", vocab_size()}});
}

void WordPieceTokenizer::require_id(std::int32_t id) const {
  if (id < 0 || id >= vocab_size())
    invalid_input("token id {} is outside the vocabulary (0 to {})", id, vocab_size() - 1);
}

}  // namespace edgeclip
