#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "data/text/tokenizer.h"

namespace edgeclip {

/// BERT's uncased WordPiece tokenizer (DistilBERT's too), as transformers' BertTokenizerFast computes it:
/// control characters out, CJK characters words of their own, accents stripped (NFD), lower case, punctuation
/// split off, then the longest known piece from the left, "##" within a word; a word that does not come out
/// even, or has over 100 characters, is [UNK].  [CLS], [SEP], [MASK], [PAD] and [UNK] in a text are
/// themselves.
class WordPieceTokenizer : public Tokenizer {
 public:
  /// pieces: by id.  Throws InvalidInput naming `name` if [CLS], [SEP], [PAD] or [UNK] is missing.
  WordPieceTokenizer(std::vector<std::string> pieces, const std::string& name);

  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<std::int32_t>& ids) const override;
  std::string piece(std::int32_t id) const override;
  int vocab_size() const override { return static_cast<int>(pieces_.size()); }
  std::int32_t begin_id() const override { return begin_; }
  std::int32_t end_id() const override { return end_; }
  std::int32_t pad_id() const override { return pad_; }
  std::int32_t mask_id() const override { return mask_; }
  std::int32_t unknown_id() const override { return unknown_; }
  void save(const std::filesystem::path& directory) const override;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  using Ids = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;

  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;
  void require_id(std::int32_t id) const;

  std::vector<std::string> pieces_;
  Ids whole_, inner_;  ///< pieces at the start of a word; within one, without "##"
  std::vector<std::pair<std::string, std::int32_t>> special_;
  std::int32_t begin_ = 0, end_ = 0, pad_ = 0, unknown_ = 0, mask_ = 0;
};

}  // namespace edgeclip
