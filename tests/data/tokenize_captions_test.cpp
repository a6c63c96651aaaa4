#include "data/dataset/tokenize_captions.h"

#include "loader_set.h"

namespace edgeclip {
namespace {

using test::Set;

TEST(TokenizeCaptions, RowsAreTheTokenizersCutAndPadded) {
  Set set(3, 1);
  const Tokenizer& tokenizer = *set.dataset.tokenizer;
  std::int64_t longest = 0;
  for (const int context : {32, 6, 3}) {
    const TokenizedCaptions captions = tokenize_captions(set.dataset.pairs, tokenizer, context);
    ASSERT_EQ(captions.tokens.shape(), (Shape{6, context}));
    std::vector<std::string> texts;
    std::int64_t cut = 0;
    for (std::size_t i = 0; i < 6; ++i) {
      texts.push_back(set.dataset.pairs[i].caption);
      const auto length = static_cast<std::int64_t>(tokenizer.encode(texts[i]).size()) + tokenizer.ends();
      EXPECT_EQ(captions.lengths[i], length);
      cut += length > context;
      longest = std::max(longest, length);
    }
    EXPECT_EQ(captions.cut(), cut);
    EXPECT_EQ(cut > 0, longest > context);
    const Tensor expected = tokenizer.encode_batch(texts, context, /*fixed_length=*/true);
    EXPECT_TRUE(std::equal(expected.raw(), expected.raw() + expected.bytes(), captions.tokens.raw()));
  }
}

TEST(TokenizeCaptions, ADatasetTakesAnotherContext) {
  Set set(3, 1);
  tokenize_again(set.dataset, set.dataset.tokenizer, 32);
  EXPECT_EQ(set.dataset.captions_cut, 0);
  tokenize_again(set.dataset, set.dataset.tokenizer, 4);
  EXPECT_EQ(set.dataset.captions_cut, 3);  // the longer caption of each image
  EXPECT_EQ(set.dataset.context_length, 4);
  EXPECT_EQ(set.dataset.tokens.shape(), (Shape{6, 4}));
  set.options.batch = 3;
  for (const Batch& batch : set.epoch(0)) EXPECT_EQ(batch.tokens.dim(1), 4);
}

}  // namespace
}  // namespace edgeclip
