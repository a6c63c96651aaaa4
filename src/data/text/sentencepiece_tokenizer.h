#pragma once

#include <memory>
#include <string>

#include "data/text/tokenizer.h"

namespace edgeclip {

/// Which special pieces stand around a text: models of one form are used in several ways.
struct SentencePieceEnds {
  bool begin = true;      ///< <s> in front, where the model has one (T5 and SigLIP have none)
  std::int32_t pad = -1;  ///< -1: the model's own, or its end piece where it has none
};

/// "": as the model has them | "eos": no begin piece | "bos,eos": a model without <s> is an error; each may
/// be followed by ",pad=ID".  Throws InvalidInput.
SentencePieceEnds sentencepiece_ends(const std::string& convention, bool has_begin, const std::string& name);

/// A tokenizer over a sentencepiece model (github.com/google/sentencepiece).  Its own normalization (lower
/// case, NFKC for models trained here) is part of the model.
class SentencePieceTokenizer : public Tokenizer {
 public:
  /// model: the bytes of a .model file; name: for messages; convention: as in sentencepiece_ends().  Throws
  /// InvalidInput if it is none, or has no end piece.
  SentencePieceTokenizer(std::string model, const std::string& name, const std::string& convention = "");
  /// With the special pieces that save() wrote down; begin -1: none.
  SentencePieceTokenizer(std::string model, const std::string& name, std::int32_t begin, std::int32_t pad);

  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<std::int32_t>& ids) const override;
  std::string piece(std::int32_t id) const override;
  int vocab_size() const override;
  std::int32_t begin_id() const override { return begin_; }
  std::int32_t end_id() const override { return end_; }
  /// The model's pad; its end where it has none.
  std::int32_t pad_id() const override { return pad_; }
  std::int32_t mask_id() const override { return unknown_id(); }
  std::int32_t unknown_id() const override;
  void save(const std::filesystem::path& directory) const override;

 private:
  void open(const std::string& name);
  void require_id(std::int32_t id) const;

  std::string model_;
  std::shared_ptr<void> processor_;  ///< handle of the sentencepiece module
  std::int32_t begin_ = 0, end_ = 0, pad_ = 0;
};

}  // namespace edgeclip
