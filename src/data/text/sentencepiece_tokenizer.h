#pragma once

#include <memory>
#include <string>

#include "data/text/tokenizer.h"

namespace edgeclip {

/// A tokenizer over a sentencepiece model (github.com/google/sentencepiece).  Its own normalization (lower
/// case, NFKC for models trained here) is part of the model.
class SentencePieceTokenizer : public Tokenizer {
 public:
  /// model: the bytes of a .model file; name: for messages.  Throws InvalidInput if it is none, or has no
  /// begin and end.
  SentencePieceTokenizer(std::string model, const std::string& name);

  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<std::int32_t>& ids) const override;
  std::string piece(std::int32_t id) const override;
  int vocab_size() const override;
  std::int32_t begin_id() const override { return begin_; }
  std::int32_t end_id() const override { return end_; }
  /// The model's pad; its end where it has none.
  std::int32_t pad_id() const override { return pad_; }
  std::int32_t mask_id() const override;
  void save(const std::filesystem::path& directory) const override;

 private:
  void require_id(std::int32_t id) const;

  std::string model_;
  std::shared_ptr<void> processor_;  ///< handle of the sentencepiece module
  std::int32_t begin_ = 0, end_ = 0, pad_ = 0;
};

}  // namespace edgeclip
