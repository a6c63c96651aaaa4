#include "data/text/clip_tokenizer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "data/text/unicode.h"

namespace edgeclip {

namespace {

constexpr const char* kVocabularyFile = "vocab.json";
constexpr const char* kMergesFile = "merges.txt";
constexpr std::string_view kBegin = "<|startoftext|>", kEnd = "<|endoftext|>";

enum class Class : unsigned char { kSpace, kLetter, kNumber, kOther };

Class class_of(char32_t c, bool openai) {
  if (unicode::is_letter(c)) return Class::kLetter;
  if (unicode::is_number(c)) return Class::kNumber;
  if (unicode::is_space(c)) return Class::kSpace;
  // In Python's expressions the separators U+001C to U+001F are spaces, and U+0345, a mark that folds to a
  // letter, is matched by no part of the pattern, so that it is passed over as a space is.
  return openai && ((c >= 0x1C && c <= 0x1F) || c == 0x345) ? Class::kSpace : Class::kOther;
}

/// The class of the code point at *at, which is moved behind it.
Class next_class(std::string_view text, std::size_t* at, bool openai) {
  static const auto ascii = [] {
    std::array<std::array<Class, 128>, 2> tables;
    for (char32_t c = 0; c < 128; ++c)
      for (const bool convention : {false, true}) tables[convention][c] = class_of(c, convention);
    return tables;
  }();
  const auto byte = static_cast<unsigned char>(text[*at]);
  if (byte < 128) {
    ++*at;
    return ascii[openai][byte];
  }
  return class_of(unicode::next(text, at), openai);
}

/// Bytes of 's 't 're 've 'm 'll 'd at the start of text, or 0.  any_case: a long s is an s too.
std::size_t contraction(std::string_view text, bool any_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  for (const std::string_view form : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
    if (text.substr(0, form.size()) == form) return form.size();
  constexpr std::string_view kLongS = "'\xC5\xBF";
  return any_case && text.substr(0, kLongS.size()) == kLongS ? kLongS.size() : 0;
}

}  // namespace

ClipTokenizer::ClipTokenizer(BpeVocabulary vocabulary, Convention convention, const std::string& name)
    : vocabulary_(std::move(vocabulary)), bpe_(vocabulary_, name), convention_(convention) {
  begin_ = bpe_.id_of(kBegin);
  end_ = bpe_.id_of(kEnd);
  if (begin_ < 0 || end_ < 0)
    invalid_input("{}: the vocabulary has no {} or no {}; it is not one of CLIP", name, kBegin, kEnd);
}

std::vector<std::int32_t> ClipTokenizer::encode(std::string_view text) const {
  require_utf8(text, "text");
  std::vector<std::int32_t> ids;
  if (convention_ == Convention::kOpenAi) {
    if (unicode::is_ascii(text)) {
      std::string lower(text);
      for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      encode_plain(lower, ids);
    } else {
      encode_plain(unicode::to_lower(text), ids);
    }
    return ids;
  }
  // Special words are taken out before anything is changed.
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t begin = text.find(kBegin, from), end = text.find(kEnd, from), at = std::min(begin, end);
    const std::string_view part = text.substr(from, at == std::string_view::npos ? at : at - from);
    if (unicode::is_ascii(part)) {
      std::string lower(part);
      for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      encode_plain(lower, ids);
    } else {
      encode_plain(unicode::to_lower_each(unicode::to_nfc(part)), ids);
    }
    if (at == std::string_view::npos) break;
    ids.push_back(at == begin ? begin_ : end_);
    from = at + (at == begin ? kBegin : kEnd).size();
  }
  return ids;
}

// The regular expression, tried at each place in this order:
//   <|startoftext|> | <|endoftext|> | 's|'t|'re|'ve|'m|'ll|'d | [\p{L}]+ | [\p{N}] | [^\s\p{L}\p{N}]+
void ClipTokenizer::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  const bool openai = convention_ == Convention::kOpenAi;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (openai && rest[0] == '<') {
      const std::string_view special = rest.substr(0, kBegin.size()) == kBegin ? kBegin
                                       : rest.substr(0, kEnd.size()) == kEnd   ? kEnd
                                                                               : std::string_view();
      if (!special.empty()) {
        ids.push_back(special == kBegin ? begin_ : end_);
        at += special.size();
        continue;
      }
    }
    if (const std::size_t length = contraction(rest, openai)) {
      bpe_.encode_word(rest.substr(0, length), ids);
      at += length;
      continue;
    }
    std::size_t end = at;
    const Class first = next_class(text, &end, openai);
    if (first == Class::kLetter || first == Class::kOther)
      for (std::size_t further = end; further < text.size(); end = further)
        if (next_class(text, &further, openai) != first) break;
    if (first != Class::kSpace) bpe_.encode_word(text.substr(at, end - at), ids);
    at = end;
  }
}

std::string ClipTokenizer::decode(const std::vector<std::int32_t>& ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    require_id(id);
    if (id == begin_ || id == end_) continue;
    bool ends_word = false;
    text += bpe_.bytes_of(id, &ends_word);
    if (ends_word) text += ' ';
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  for (std::size_t bad; (bad = find_invalid_utf8(text)) != std::string::npos;)
    text.replace(bad, 1, "\xEF\xBF\xBD");
  return text;
}

std::string ClipTokenizer::piece(std::int32_t id) const {
  require_id(id);
  return vocabulary_.pieces[static_cast<std::size_t>(id)];
}

void ClipTokenizer::require_id(std::int32_t id) const {
  if (id < 0 || id >= vocab_size())
    invalid_input("token id {} is outside the vocabulary (0 to {})", id, vocab_size() - 1);
}

void ClipTokenizer::save(const std::filesystem::path& directory) const {
  write_bpe_files(directory / kVocabularyFile, directory / kMergesFile, vocabulary_);
  write_json(directory / kTokenizerFile,
             Json{{"format", kTokenizerFormat},
                  {"type", "clip"},
                  {"convention", convention_ == Convention::kOpenAi ? "openai" : "huggingface"},
                  {"model", kVocabularyFile},
                  {"hash", hash_file(directory / kVocabularyFile)},
                  {"merges", kMergesFile},
                  {"merges_hash", hash_file(directory / kMergesFile)},
                  {"ids", {{"pad", pad_id()}, {"begin", begin_}, {"end", end_}}},
                  {"vocab_size", vocab_size()}});
}

ClipTokenizer::Convention clip_convention(const std::string& name) {
  if (name == "openai") return ClipTokenizer::Convention::kOpenAi;
  if (name == "huggingface") return ClipTokenizer::Convention::kHuggingFace;
  invalid_input("convention \"{}\" is neither \"openai\" nor \"huggingface\"", name);
}

}  // namespace edgeclip
