#include "data/text/tokenizer.h"

#include <algorithm>

#include "base/artifact.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "data/text/sentencepiece_tokenizer.h"

namespace edgeclip {

std::vector<std::int32_t> Tokenizer::encode_with_ends(std::string_view text, int context_length) const {
  EDGECLIP_CHECK(context_length >= 2, "context length {}", context_length);
  std::vector<std::int32_t> ids = encode(text);
  if (ids.size() > static_cast<std::size_t>(context_length) - 2)
    ids.resize(static_cast<std::size_t>(context_length) - 2);
  ids.insert(ids.begin(), begin_id());
  ids.push_back(end_id());
  return ids;
}

Tensor Tokenizer::encode_batch(const std::vector<std::string>& texts, int context_length,
                               bool fixed_length) const {
  std::vector<std::vector<std::int32_t>> rows;
  std::size_t longest = fixed_length || texts.empty() ? static_cast<std::size_t>(context_length) : 0;
  for (const auto& text : texts)
    longest = std::max(longest, rows.emplace_back(encode_with_ends(text, context_length)).size());
  Tensor tokens(DType::i32, {static_cast<std::int64_t>(texts.size()), static_cast<std::int64_t>(longest)});
  std::int32_t* out = tokens.data<std::int32_t>();
  std::fill(out, out + tokens.elements(), pad_id());
  for (std::size_t i = 0; i < rows.size(); ++i) std::copy(rows[i].begin(), rows[i].end(), out + i * longest);
  return tokens;
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& spec_or_directory) {
  constexpr std::string_view kSentencePiece = "sentencepiece:";
  if (spec_or_directory.compare(0, kSentencePiece.size(), kSentencePiece) == 0) {
    const std::string file = spec_or_directory.substr(kSentencePiece.size());
    return std::make_shared<SentencePieceTokenizer>(read_file(file), file);
  }
  const std::filesystem::path directory = spec_or_directory;
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error))
    invalid_input("tokenizer \"{}\": is neither a folder with {} nor sentencepiece:FILE.model",
                  spec_or_directory, kTokenizerFile);
  const auto file = directory / kTokenizerFile;
  if (!std::filesystem::exists(file, error))
    invalid_input("{}: holds no {}; name a tokenizer folder that edgeclip wrote, or sentencepiece:FILE.model",
                  directory.string(), kTokenizerFile);
  const Json json = read_artifact_head(file, kTokenizerFormat, "write it again");
  const std::string where = file.string();
  const auto type = json_get<std::string>(json, "type", where);
  if (type != "sentencepiece")
    invalid_input("{}: type \"{}\" is unknown (sentencepiece is read)", where, type);
  const auto model = json_get<std::string>(json, "model", where);
  if (model.find('/') != std::string::npos)
    invalid_input("{}: model: \"{}\" leaves the folder", where, model);
  std::string bytes = read_file(directory / model);
  if (hash_text(bytes) != json_get<std::string>(json, "hash", where))
    invalid_input("{}: differs from the one named in {}; copy the folder again", (directory / model).string(),
                  kTokenizerFile);
  auto tokenizer = std::make_shared<SentencePieceTokenizer>(std::move(bytes), (directory / model).string());
  const auto expect = [&](const Json& object, const char* key, int found, const std::string& place) {
    if (const int said = json_get<int>(object, key, place); said != found)
      invalid_input("{}: {} is {}, but {} has {}; copy the folder again", place, key, said, model, found);
  };
  const Json& ids = json_at(json, "ids", where);
  expect(ids, "pad", tokenizer->pad_id(), where + ": ids");
  expect(ids, "begin", tokenizer->begin_id(), where + ": ids");
  expect(ids, "end", tokenizer->end_id(), where + ": ids");
  expect(json, "vocab_size", tokenizer->vocab_size(), where);
  return tokenizer;
}

}  // namespace edgeclip
