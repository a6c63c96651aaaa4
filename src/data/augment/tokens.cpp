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

void augment_tokens(std::vector<std::int32_t>& row, const TokenAugmentOptions& options,
                    const Tokenizer& tokenizer, Rng& rng) {
  const std::size_t first = tokenizer.begin_id() >= 0 ? 1 : 0;
  if (row.size() <= first + 1) return;
  const std::int32_t end = row.back(), mask = tokenizer.mask_id();
  const auto inner = static_cast<std::int64_t>(row.size() - first - 1);
  std::vector<std::int32_t> out(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(first));
  for (std::size_t i = first; i + 1 < row.size(); ++i) {
    const bool dropped = rng.chance(options.drop),
               masked = rng.chance(options.mask);  // always both: one stream
    if (!dropped) out.push_back(masked ? mask : row[i]);
  }
  if (out.size() == first) out.push_back(row[first + static_cast<std::size_t>(rng.below(inner))]);
  out.push_back(end);
  row = std::move(out);
}

}  // namespace edgeclip
