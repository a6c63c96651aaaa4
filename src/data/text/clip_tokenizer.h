#pragma once

#include <string>
#include <vector>

#include "data/text/byte_bpe.h"
#include "data/text/tokenizer.h"
#include "data/text/vocabulary_files.h"

namespace edgeclip {

/// CLIP's tokenizer.  Two conventions for the same vocabulary:
///   openai       github.com/openai/CLIP, simple_tokenizer.py: lower case of the whole text, special words in
///   any case,
///                padded with 0.  Its text repair (ftfy, HTML entities) is not part of it: repair the text
///                before.
///   huggingface  transformers' CLIPTokenizer: NFC, lower case of each character, special words as written,
///   padded
///                with the end token.
class ClipTokenizer : public Tokenizer {
 public:
  enum class Convention { kOpenAi, kHuggingFace };

  /// Throws InvalidInput naming `name` if bytes or the special words are not in the vocabulary.
  ClipTokenizer(BpeVocabulary vocabulary, Convention convention, const std::string& name);

  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<std::int32_t>& ids) const override;
  std::string piece(std::int32_t id) const override;
  int vocab_size() const override { return static_cast<int>(vocabulary_.pieces.size()); }
  std::int32_t begin_id() const override { return begin_; }
  std::int32_t end_id() const override { return end_; }
  std::int32_t pad_id() const override { return convention_ == Convention::kOpenAi ? 0 : end_; }
  void save(const std::filesystem::path& directory) const override;

  Convention convention() const { return convention_; }

 private:
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;
  void require_id(std::int32_t id) const;

  BpeVocabulary vocabulary_;
  ByteBpe bpe_;
  Convention convention_;
  std::int32_t begin_ = 0, end_ = 0;
};

/// "openai" | "huggingface".  Throws InvalidInput otherwise.
ClipTokenizer::Convention clip_convention(const std::string& name);

}  // namespace edgeclip
