#include "data/text/vocabulary_files.h"

#include <zlib.h>

#include <sstream>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_depth.h"
#include "base/log.h"
#include "base/utf8.h"
#include "data/text/byte_bpe.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 28;  // of a vocabulary; a bomb would unpack to more
constexpr std::size_t kMostIds = std::size_t{1} << 22;
constexpr std::size_t kOpenAiMerges = 49152 - 256 - 2;

/// A text file, gzipped or not.
std::string read_maybe_gzipped(const fs::path& path) {
  require_file(path, "vocabulary");
  const gzFile file = ::gzopen(path.c_str(), "rb");
  if (file == nullptr) invalid_input("{}: cannot be opened", path.string());
  std::string text;
  char buffer[1 << 16];
  int n = 0;
  while ((n = ::gzread(file, buffer, sizeof buffer)) > 0 && text.size() <= kMostBytes)
    text.append(buffer, static_cast<std::size_t>(n));
  int code = Z_OK;
  ::gzerror(file, &code);
  const bool whole = n == 0 && code == Z_OK && ::gzclose(file) == Z_OK;
  if (!whole) invalid_input("{}: is truncated, damaged or too large; copy it again", path.string());
  require_utf8(text, path.string().c_str());
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

std::pair<std::string, std::string> merge_of(const std::string& line, const std::string& where) {
  const auto blank = line.find(' ');
  if (blank == 0 || blank == std::string::npos || blank + 1 == line.size() ||
      line.find(' ', blank + 1) != std::string::npos)
    invalid_input("{}: is not a merge (two pieces with a blank between)", where);
  return {line.substr(0, blank), line.substr(blank + 1)};
}

/// {"piece": id, ...} with ids from 0, each once.
std::vector<std::string> pieces_of(const nlohmann::json& vocabulary, const std::string& where) {
  if (!vocabulary.is_object()) invalid_input("{}: expected an object of pieces and ids", where);
  std::vector<std::string> pieces(vocabulary.size());
  std::vector<bool> seen(pieces.size());
  for (const auto& [piece, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= pieces.size() || seen[id.get<std::size_t>()])
      invalid_input("{}: \"{}\": ids must be the numbers from 0 to {}, each once", where, piece,
                    pieces.size() - 1);
    seen[id.get<std::size_t>()] = true;
    pieces[id.get<std::size_t>()] = piece;
  }
  return pieces;
}

/// Sorted objects: a vocabulary has tens of thousands of keys.
nlohmann::json read_sorted(const fs::path& file) {
  const std::string text = read_file(file);
  require_shallow_json(text, file.string());
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) invalid_input("{}: not valid JSON; copy it again", file.string());
  return json;
}

const nlohmann::json& member(const nlohmann::json& json, const char* key, const std::string& where) {
  if (!json.is_object() || !json.contains(key)) invalid_input("{}: \"{}\" is missing", where, key);
  return json.at(key);
}

/// model.vocab and the added tokens that are not in it.
std::vector<std::string> tokenizer_json_pieces(const nlohmann::json& json, const std::string& where) {
  nlohmann::json vocabulary = member(member(json, "model", where), "vocab", where + ": model");
  if (json.contains("added_tokens") && json["added_tokens"].is_array() && vocabulary.is_object())
    for (const auto& token : json["added_tokens"])
      if (token.is_object() && token.contains("content") && token["content"].is_string() &&
          token.contains("id"))
        vocabulary.emplace(token["content"].get<std::string>(), token["id"]);
  return pieces_of(vocabulary, where + ": model.vocab");
}

}  // namespace

BpeVocabulary read_openai_merges(const fs::path& file) {
  const auto lines = lines_of(read_maybe_gzipped(file));
  if (lines.size() < 2) invalid_input("{}: holds no merges (one per line after the first)", file.string());
  BpeVocabulary vocabulary;
  for (std::size_t i = 1; i < lines.size() && vocabulary.merges.size() < kOpenAiMerges; ++i)
    if (!lines[i].empty())
      vocabulary.merges.push_back(merge_of(lines[i], fmt::format("{}:{}", file.string(), i + 1)));
  if (vocabulary.merges.size() < kOpenAiMerges)
    warn(fmt::format("{}: holds {} merges, CLIP's own file {}; is it cut off?", file.string(),
                     vocabulary.merges.size(), kOpenAiMerges));
  // Python's order of bytes: the printable ones first.
  std::vector<std::string> bytes;
  for (const bool printable : {true, false})
    for (std::size_t b = 0; b < 256; ++b) {
      const std::string& character = ByteBpe::byte_characters()[b];
      const bool is_printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      if (is_printable == printable) bytes.push_back(character);
    }
  vocabulary.pieces = bytes;
  for (const auto& byte : bytes) vocabulary.pieces.push_back(byte + std::string(ByteBpe::kWordEnd));
  for (const auto& [left, right] : vocabulary.merges) vocabulary.pieces.push_back(left + right);
  vocabulary.pieces.insert(vocabulary.pieces.end(), {"<|startoftext|>", "<|endoftext|>"});
  return vocabulary;
}

BpeVocabulary read_bpe_files(const fs::path& vocabulary, const fs::path& merges) {
  BpeVocabulary bpe;
  bpe.pieces = pieces_of(read_sorted(vocabulary), vocabulary.string());
  const auto lines = lines_of(read_file(merges));
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (!lines[i].empty() && lines[i].rfind("#version", 0) != 0)
      bpe.merges.push_back(merge_of(lines[i], fmt::format("{}:{}", merges.string(), i + 1)));
  return bpe;
}

BpeVocabulary read_tokenizer_json_bpe(const fs::path& file) {
  BpeVocabulary vocabulary;
  const nlohmann::json json = read_sorted(file);
  const std::string where = file.string();
  vocabulary.pieces = tokenizer_json_pieces(json, where);
  const auto& list = member(member(json, "model", where), "merges", where + ": model");
  if (!list.is_array()) invalid_input("{}: model.merges: expected a list", where);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string at = fmt::format("{}: model.merges[{}]", where, i);
    const auto& merge = list[i];
    if (merge.is_string())
      vocabulary.merges.push_back(merge_of(merge.get<std::string>(), at));
    else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
      vocabulary.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    else
      invalid_input("{}: is not a merge (two pieces)", at);
  }
  return vocabulary;
}

std::vector<std::string> read_vocabulary_lines(const fs::path& file) {
  require_file(file, "vocabulary");
  std::string text = read_file(file);
  require_utf8(text, file.string().c_str());
  drop_byte_order_mark(text);
  auto lines = lines_of(text);
  if (lines.size() > kMostIds)
    invalid_input("{}: has {} lines; it is no vocabulary", file.string(), lines.size());
  return lines;
}

std::string tokenizer_json_type(const fs::path& file) {
  const nlohmann::json json = read_sorted(file);
  const auto& type = member(member(json, "model", file.string()), "type", file.string() + ": model");
  if (!type.is_string()) invalid_input("{}: model.type: expected a string", file.string());
  return type.get<std::string>();
}

std::vector<std::string> read_tokenizer_json_pieces(const fs::path& file) {
  return tokenizer_json_pieces(read_sorted(file), file.string());
}

void write_bpe_files(const fs::path& vocabulary, const fs::path& merges, const BpeVocabulary& bpe) {
  Json ids = Json::object();
  auto& object = ids.get_ref<Json::object_t&>();
  for (std::size_t i = 0; i < bpe.pieces.size(); ++i) object.push_back({bpe.pieces[i], i});
  AtomicFile first(vocabulary), second(merges);
  first.write(ids.dump() + "\n");
  second.write("#version: 0.2\n");
  for (const auto& [left, right] : bpe.merges) second.write(left + " " + right + "\n");
  first.commit();
  second.commit();
}

}  // namespace edgeclip
