#include "data/dataset/tokenize_captions.h"

#include <algorithm>

#include "base/threads.h"

namespace edgeclip {

std::int64_t TokenizedCaptions::cut() const {
  return std::count_if(lengths.begin(), lengths.end(),
                       [&](std::int64_t length) { return length > tokens.dim(1); });
}

TokenizedCaptions tokenize_captions(const std::vector<Pair>& pairs, const Tokenizer& tokenizer,
                                    int context_length) {
  const auto n = static_cast<std::int64_t>(pairs.size());
  TokenizedCaptions out{Tensor(DType::i32, {n, context_length}), std::vector<std::int64_t>(pairs.size())};
  std::int32_t* const rows = out.tokens.data<std::int32_t>();
  parallel_for(n, [&](std::int64_t i) {
    auto row = tokenizer.encode(pairs[static_cast<std::size_t>(i)].caption);
    out.lengths[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(row.size()) + tokenizer.ends();
    row.resize(std::min(row.size(), static_cast<std::size_t>(context_length - tokenizer.ends())));
    std::int32_t* to = rows + i * context_length;
    if (tokenizer.begin_id() >= 0) *to++ = tokenizer.begin_id();
    to = std::copy(row.begin(), row.end(), to);
    *to++ = tokenizer.end_id();
    std::fill(to, rows + (i + 1) * context_length, tokenizer.pad_id());
  });
  return out;
}

void tokenize_again(Dataset& dataset, std::shared_ptr<const Tokenizer> tokenizer, int context_length) {
  const TokenizedCaptions captions = tokenize_captions(dataset.pairs, *tokenizer, context_length);
  dataset.tokenizer = std::move(tokenizer);
  dataset.context_length = context_length;
  dataset.tokens = captions.tokens;
  dataset.captions_cut = captions.cut();
}

}  // namespace edgeclip
