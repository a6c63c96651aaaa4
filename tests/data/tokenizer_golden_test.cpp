#include <gtest/gtest.h>

#include <set>

#include "base/json.h"
#include "base/npy.h"
#include "data/text/clip_tokenizer.h"
#include "data/text/tokenizer.h"
#include "support/support.h"

/// Ids of the reference implementations ($EDGECLIP_PARITY/tokenizers), row by row.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;

struct Rows {
  std::vector<std::string> texts;
  Json clean;

  explicit Rows(const fs::path& folder) {
    const Json json = read_json(folder / "texts.json");
    texts = json.at("texts").get<std::vector<std::string>>();
    clean = json.at("openai_clean");
  }
  /// After ftfy and HTML unescaping, which are not part of a tokenizer.
  std::string repaired(std::size_t row) const {
    const std::string key = std::to_string(row);
    return clean.contains(key) ? clean.at(key).get<std::string>() : texts[row];
  }
};

std::string ids_text(const std::int32_t* ids, std::int64_t n) {
  std::string text;
  for (std::int64_t i = 0; i < n; ++i) text += std::to_string(ids[i]) + " ";
  return text;
}

/// Every row of the golden array equals encode_batch of its text; returns how many were compared.
std::int64_t expect_rows(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                         const Tensor& golden) {
  const std::int64_t rows = golden.dim(0), length = golden.dim(1);
  EXPECT_LE(rows, static_cast<std::int64_t>(texts.size()));
  int shown = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const Tensor ids =
        tokenizer.encode_batch({texts[static_cast<std::size_t>(row)]}, static_cast<int>(length), true);
    const std::int32_t *a = ids.data<std::int32_t>(), *b = golden.data<std::int32_t>() + row * length;
    if (!std::equal(a, a + length, b) && ++shown <= 20)
      ADD_FAILURE() << "row " << row << " \"" << texts[static_cast<std::size_t>(row)] << "\"\n  is       "
                    << ids_text(a, length) << "\n  expected " << ids_text(b, length);
  }
  EXPECT_EQ(shown, 0);
  return rows;
}

TEST(ClipTokenizerGolden, OpenAi) {
  EDGECLIP_REQUIRE_PARITY(folder, "tokenizers");
  EDGECLIP_REQUIRE_DATA(merges, "vocab/bpe_simple_vocab_16e6.txt.gz");
  const Rows rows(folder);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < rows.texts.size(); ++i) texts.push_back(rows.repaired(i));
  const auto tokenizer = load_tokenizer("clip:" + merges.string());
  EXPECT_EQ(tokenizer->vocab_size(), 49408);
  EXPECT_EQ(expect_rows(*tokenizer, texts, read_npy(folder / "clip_openai_ids.npy")), 2300);
  const Tensor lengths = read_npy(folder / "clip_openai_untruncated_len.npy");
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(static_cast<std::int32_t>(tokenizer->encode(texts[i]).size()) + 2,
              lengths.data<std::int32_t>()[i])
        << texts[i];
}

TEST(ClipTokenizerGolden, HuggingFace) {
  EDGECLIP_REQUIRE_PARITY(folder, "tokenizers");
  EDGECLIP_REQUIRE_DATA(merges, "vocab/bpe_simple_vocab_16e6.txt.gz");
  const Rows rows(folder);
  const auto tokenizer = load_tokenizer("clip:" + merges.string(), "huggingface");
  EXPECT_EQ(tokenizer->pad_id(), 49407);
  EXPECT_EQ(expect_rows(*tokenizer, rows.texts, read_npy(folder / "clip_hf_ids.npy")), 2300);

  // Through our own folder and back.
  test::TempDir dir;
  tokenizer->save(dir.path());
  const auto again = load_tokenizer(dir.path().string());
  for (const auto& text : rows.texts) ASSERT_EQ(again->encode(text), tokenizer->encode(text)) << text;
}

TEST(WordPieceTokenizerGolden, BertUncased) {
  EDGECLIP_REQUIRE_PARITY(folder, "tokenizers");
  EDGECLIP_REQUIRE_DATA(vocabulary, "vocab/bert_base_uncased_vocab.txt");
  const Rows rows(folder);
  const auto tokenizer = load_tokenizer("bert:" + vocabulary.string());
  EXPECT_EQ(tokenizer->vocab_size(), 30522);
  EXPECT_EQ(expect_rows(*tokenizer, rows.texts, read_npy(folder / "bert_ids_77.npy")), 2300);
  EXPECT_EQ(expect_rows(*tokenizer, rows.texts, read_npy(folder / "bert_ids_64.npy")), 2300);
  test::TempDir dir;
  tokenizer->save(dir.path());
  const auto again = load_tokenizer(dir.path().string());
  for (const auto& text : rows.texts) ASSERT_EQ(again->encode(text), tokenizer->encode(text)) << text;
}

TEST(SentencePieceTokenizerGolden, EveryModel) {
  EDGECLIP_REQUIRE_PARITY(folder, "tokenizers");
  EDGECLIP_REQUIRE_DATA(vocabularies, "vocab");
  const Rows rows(folder);
  const Tensor covered = read_npy(folder / "spm_rows.npy");
  const std::pair<std::string, fs::path> models[] = {
      {"test_model", vocabularies / "sentencepiece_test_model.model"},
      {"test_ja_model", vocabularies / "sentencepiece_test_ja_model.model"},
      {"botchan_unigram_bf", folder / "spm_botchan_unigram_bf.model"}};
  for (const auto& [name, file] : models) {
    const auto tokenizer = load_tokenizer("sentencepiece:" + file.string());
    const Tensor flat = read_npy(folder / ("spm_" + name + "_flat.npy")),
                 offsets = read_npy(folder / ("spm_" + name + "_offsets.npy"));
    for (std::int64_t k = 0; k < covered.elements(); ++k) {
      const std::int32_t row = covered.data<std::int32_t>()[k];
      const std::string& text = rows.texts[static_cast<std::size_t>(row)];
      if (name == "test_model" && text == "---")
        continue;  // a tie that versions of sentencepiece break differently
      const std::int64_t begin = offsets.data<std::int64_t>()[k], end = offsets.data<std::int64_t>()[k + 1];
      const std::vector<std::int32_t> expected(flat.data<std::int32_t>() + begin,
                                               flat.data<std::int32_t>() + end);
      ASSERT_EQ(tokenizer->encode(text), expected) << name << " row " << row << " \"" << text << "\"";
    }
  }
}

}  // namespace
}  // namespace edgeclip
