#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/rng.h"
#include "data/text/tokenizer.h"

namespace edgeclip {

/// Random changes of a caption's tokens, ends excepted: a description must match when a detail is missing.
struct TokenAugmentOptions {
  double drop = 0;  ///< probability of leaving a token out
  double mask = 0;  ///< probability of hiding a token (of those left) behind the tokenizer's mask

  template <class Visitor>
  void fields(Visitor& v) {
    v("drop", drop, "probability that a token of a caption is left out; 0: off");
    v("mask", mask, "probability that a token is hidden behind [MASK] (or the unknown token); 0: off");
  }
  void validate(const std::string& where) const;
};

/// Throws InvalidInput if options mask tokens and the tokenizer has neither a mask nor an unknown token.
void require_mask(const TokenAugmentOptions& options, const Tokenizer& tokenizer);

/// row: tokenizer.encode_with_ends() of a caption.  At least one id stays between the ends, where there was
/// one.
void augment_tokens(std::vector<std::int32_t>& row, const TokenAugmentOptions& options,
                    const Tokenizer& tokenizer, Rng& rng);

}  // namespace edgeclip
