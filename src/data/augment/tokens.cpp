#include "data/augment/tokens.h"

#include "data/augment/probability.h"

namespace edgeclip {

void TokenAugmentOptions::validate(const std::string& where) const {
  require_probability(where, "drop", drop);
  require_probability(where, "mask", mask);
}

void require_mask(const TokenAugmentOptions& options, const Tokenizer& tokenizer) {
  if (options.mask > 0 && tokenizer.mask_id() < 0)
    invalid_input(
        "augment.tokens.mask: the dataset's tokenizer has neither a mask nor an unknown token; use "
        "augment.tokens.drop");
}

void augment_tokens(std::vector<std::int32_t>& row, const TokenAugmentOptions& options, std::int32_t mask_id,
                    Rng& rng) {
  if (row.size() <= 2) return;
  const std::int32_t end = row.back();
  std::vector<std::int32_t> out = {row.front()};
  for (std::size_t i = 1; i + 1 < row.size(); ++i) {
    const bool dropped = rng.chance(options.drop),
               masked = rng.chance(options.mask);  // always both: one stream
    if (!dropped) out.push_back(masked ? mask_id : row[i]);
  }
  if (out.size() == 1)
    out.push_back(row[1 + static_cast<std::size_t>(rng.below(static_cast<std::int64_t>(row.size()) - 2))]);
  out.push_back(end);
  row = std::move(out);
}

}  // namespace edgeclip
