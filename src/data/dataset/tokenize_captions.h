#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/tensor.h"
#include "data/dataset/dataset.h"

namespace edgeclip {

/// The captions of pairs as ids.
struct TokenizedCaptions {
  Tensor tokens;                      ///< (pairs, T) int32: each row as Tokenizer::encode_with_ends, padded
  std::vector<std::int64_t> lengths;  ///< (pairs): ids with begin and end, before the cut to T

  /// How many captions lost their ends.
  std::int64_t cut() const;
};

/// context_length: T, room for begin and end at least.  Throws InvalidInput if a caption is not valid UTF-8.
TokenizedCaptions tokenize_captions(const std::vector<Pair>& pairs, const Tokenizer& tokenizer,
                                    int context_length);

/// Replaces the dataset's tokens, in memory, by those of another tokenizer or context length.
void tokenize_again(Dataset& dataset, std::shared_ptr<const Tokenizer> tokenizer, int context_length);

}  // namespace edgeclip
