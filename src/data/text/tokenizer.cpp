#include "data/text/tokenizer.h"

#include <algorithm>

#include "base/artifact.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/threads.h"
#include "data/text/clip_tokenizer.h"
#include "data/text/sentencepiece_tokenizer.h"
#include "data/text/vocabulary_files.h"
#include "data/text/wordpiece_tokenizer.h"

namespace edgeclip {

std::vector<std::int32_t> Tokenizer::encode_with_ends(std::string_view text, int context_length) const {
  EDGECLIP_CHECK(context_length >= 2, "context length {}", context_length);
  std::vector<std::int32_t> ids = encode(text);
  const auto most = static_cast<std::size_t>(context_length - ends());
  if (ids.size() > most) ids.resize(most);
  if (begin_id() >= 0) ids.insert(ids.begin(), begin_id());
  ids.push_back(end_id());
  return ids;
}

Tensor Tokenizer::encode_batch(const std::vector<std::string>& texts, int context_length,
                               bool fixed_length) const {
  std::vector<std::vector<std::int32_t>> rows(texts.size());
  const auto encode_row = [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    rows[at] = encode_with_ends(texts[at], context_length);
  };
  constexpr std::int64_t kFewTexts = 64;  // not worth waking threads
  parallel_for(static_cast<std::int64_t>(texts.size()), encode_row, texts.size() < kFewTexts ? 1 : 0);
  std::size_t longest = fixed_length || texts.empty() ? static_cast<std::size_t>(context_length) : 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  Tensor tokens(DType::i32, {static_cast<std::int64_t>(texts.size()), static_cast<std::int64_t>(longest)});
  std::int32_t* out = tokens.data<std::int32_t>();
  std::fill(out, out + tokens.elements(), pad_id());
  for (std::size_t i = 0; i < rows.size(); ++i) std::copy(rows[i].begin(), rows[i].end(), out + i * longest);
  return tokens;
}

namespace {

namespace fs = std::filesystem;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

TokenizerPtr make_clip(BpeVocabulary vocabulary, ClipTokenizer::Convention convention,
                       const std::string& name) {
  return std::make_shared<ClipTokenizer>(std::move(vocabulary), convention, name);
}

ClipTokenizer::Convention convention_or(const std::string& asked, const char* usual) {
  return clip_convention(asked.empty() ? usual : asked);
}

/// A file that edgeclip_tokenizer.json names, with the hash that it names.
fs::path named_file(const fs::path& directory, const Json& json, const char* key, const char* hash_key) {
  const std::string where = (directory / kTokenizerFile).string(),
                    name = json_get<std::string>(json, key, where);
  if (name.find('/') != std::string::npos)
    invalid_input("{}: {}: \"{}\" leaves the folder", where, key, name);
  if (hash_file(directory / name) != json_get<std::string>(json, hash_key, where))
    invalid_input("{}: differs from the one named in {}; copy the folder again", (directory / name).string(),
                  kTokenizerFile);
  return directory / name;
}

/// A folder that save() wrote.
TokenizerPtr load_saved(const fs::path& directory) {
  const fs::path file = directory / kTokenizerFile;
  const Json json = read_artifact_head(file, kTokenizerFormat, "write it again");
  const std::string where = file.string(), type = json_get<std::string>(json, "type", where);
  TokenizerPtr tokenizer;
  const fs::path model = named_file(directory, json, "model", "hash");
  if (type == "sentencepiece") {
    const Json& ids = json_at(json, "ids", where);
    tokenizer = std::make_shared<SentencePieceTokenizer>(
        read_file(model), model.string(), json_get<std::int32_t>(ids, "begin", where + ": ids"),
        json_get<std::int32_t>(ids, "pad", where + ": ids"));
  } else if (type == "wordpiece") {
    tokenizer = std::make_shared<WordPieceTokenizer>(read_vocabulary_lines(model), model.string());
  } else if (type == "clip") {
    const fs::path merges = named_file(directory, json, "merges", "merges_hash");
    tokenizer = make_clip(read_bpe_files(model, merges),
                          clip_convention(json_get<std::string>(json, "convention", where)), model.string());
  } else {
    invalid_input("{}: type \"{}\" is unknown (sentencepiece, clip and wordpiece are read)", where, type);
  }
  const auto expect = [&](const Json& object, const char* key, int found, const std::string& place) {
    if (const int said = json_get<int>(object, key, place); said != found)
      invalid_input("{}: {} is {}, but {} has {}; copy the folder again", place, key, said,
                    model.filename().string(), found);
  };
  const Json& ids = json_at(json, "ids", where);
  expect(ids, "pad", tokenizer->pad_id(), where + ": ids");
  expect(ids, "begin", tokenizer->begin_id(), where + ": ids");
  expect(ids, "end", tokenizer->end_id(), where + ": ids");
  expect(json, "vocab_size", tokenizer->vocab_size(), where);
  return tokenizer;
}

/// A folder of Hugging Face's: what its files say it is.
TokenizerPtr load_huggingface(const fs::path& directory, const std::string& convention) {
  const fs::path fast = directory / "tokenizer.json", words = directory / "vocab.txt";
  const bool merges = fs::exists(directory / "merges.txt") && fs::exists(directory / "vocab.json");
  const std::string type = merges              ? "BPE"
                           : fs::exists(words) ? "WordPiece"
                           : fs::exists(fast)  ? tokenizer_json_type(fast)
                                               : "";
  if (type == "BPE")
    return make_clip(merges ? read_bpe_files(directory / "vocab.json", directory / "merges.txt")
                            : read_tokenizer_json_bpe(fast),
                     convention_or(convention, "huggingface"), directory.string());
  if (type == "WordPiece") {
    const fs::path config = directory / "tokenizer_config.json";
    if (std::error_code error; fs::is_regular_file(config, error))
      if (const Json json = read_json(config);
          json.is_object() && json.contains("do_lower_case") && json.at("do_lower_case") == false)
        invalid_input("{}: do_lower_case is false: a cased WordPiece tokenizer is not read, uncased ones are",
                      config.string());
    return std::make_shared<WordPieceTokenizer>(
        fs::exists(words) ? read_vocabulary_lines(words) : read_tokenizer_json_pieces(fast),
        directory.string());
  }
  if (!type.empty())
    invalid_input("{}: model type {} is not read (BPE of CLIP and WordPiece of BERT are)", fast.string(),
                  type);
  invalid_input("{}: holds no tokenizer ({}, tokenizer.json, vocab.json with merges.txt, vocab.txt)",
                directory.string(), kTokenizerFile);
}

}  // namespace

TokenizerPtr load_tokenizer(const std::string& spec, const std::string& convention) {
  const auto colon = spec.find(':');
  const std::string scheme = spec.substr(0, colon),
                    file = colon == std::string::npos ? "" : spec.substr(colon + 1);
  if (scheme == "clip" && !file.empty())
    return make_clip(read_openai_merges(file), convention_or(convention, "openai"), file);
  if (scheme == "sentencepiece" && !file.empty())
    return std::make_shared<SentencePieceTokenizer>(read_file(file), file, convention);
  std::error_code error;
  const bool ours = fs::exists(fs::path(spec) / kTokenizerFile, error);
  if (!convention.empty() && (scheme == "bert" || scheme == "train" || ours))
    invalid_input("the tokenizer \"{}\" has no choice of conventions; leave \"{}\" out", spec, convention);
  if (scheme == "bert" && !file.empty())
    return std::make_shared<WordPieceTokenizer>(read_vocabulary_lines(file), file);
  if (!fs::is_directory(spec, error))
    invalid_input(
        "tokenizer \"{}\": is neither a folder nor clip:FILE, bert:vocab.txt or sentencepiece:FILE.model",
        spec);
  if (ours) return load_saved(spec);
  return load_huggingface(spec, convention);
}

}  // namespace edgeclip
