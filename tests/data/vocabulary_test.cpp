#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "data/text/clip_tokenizer.h"
#include "data/text/sentencepiece_tokenizer.h"
#include "data/text/tokenizer.h"
#include "data/text/wordpiece_tokenizer.h"
#include "support/support.h"

/// Tokenizers over small vocabularies in every form of file.
namespace edgeclip {
namespace {

using test::invalid_input_of;
using test::TempDir;
using test::write_text;
using Ids = std::vector<std::int32_t>;

constexpr const char* kMerges = "#version: 0.2\nm a\nma n</w>\nr e\nre d</w>\n";

/// 256 bytes, the same at a word's end, 4 merges, 2 ends.
struct Clip {
  TempDir dir;
  std::shared_ptr<const Tokenizer> openai, huggingface;
  Clip() {
    write_text(dir / "merges", kMerges);
    openai = load_tokenizer("clip:" + (dir / "merges").string());
    huggingface = load_tokenizer("clip:" + (dir / "merges").string(), "huggingface");
  }
};

TEST(ClipTokenizer, MergesInOrderAndDecodesBack) {
  const Clip clip;
  EXPECT_EQ(clip.openai->vocab_size(), 518);
  EXPECT_EQ(clip.openai->encode("A Man, red"),
            (Ids{clip.openai->encode("a")[0], 513, clip.openai->encode(",")[0], 515}));
  EXPECT_EQ(clip.openai->piece(513), "man</w>");
  for (const auto& tokenizer : {clip.openai, clip.huggingface}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("a man in red caf\xC3\xA9")), "a man in red caf\xC3\xA9");
    EXPECT_EQ(tokenizer->decode(tokenizer->encode_with_ends("man", 8)), "man");
    EXPECT_EQ(tokenizer->decode({}), "");
    invalid_input_of([&] { tokenizer->decode({518}); });
    invalid_input_of([&] { tokenizer->encode("\xFF"); });
    EXPECT_EQ(tokenizer->mask_id(), -1);
  }
}

TEST(ClipTokenizer, PaddingAndTruncationFollowTheConvention) {
  const Clip clip;
  for (const auto& tokenizer : {clip.openai, clip.huggingface}) {
    const Tensor rows = tokenizer->encode_batch({"man", "man red man red man"}, 5, /*fixed_length=*/true);
    const std::int32_t* at = rows.data<std::int32_t>();
    const std::int32_t pad = tokenizer == clip.openai ? 0 : 517;
    EXPECT_EQ(Ids(at, at + 5), (Ids{516, 513, 517, pad, pad}));
    EXPECT_EQ(Ids(at + 5, at + 10), (Ids{516, 513, 515, 513, 517}));  // the end stays
  }
}

TEST(ClipTokenizer, EveryFormOfFileIsTheSameTokenizer) {
  const Clip clip;
  TempDir saved, folder, fast;
  clip.huggingface->save(saved.path());
  const Json vocabulary = read_json(saved / "vocab.json");
  write_json(folder / "vocab.json", vocabulary);
  write_text(folder / "merges.txt", kMerges);
  write_json(fast / "tokenizer.json",
             {{"added_tokens",
               {{{"id", 516}, {"content", "<|startoftext|>"}}, {{"id", 517}, {"content", "<|endoftext|>"}}}},
              {"model",
               {{"type", "BPE"},
                {"vocab", vocabulary},
                {"merges", {"m a", Json::array({"ma", "n</w>"}), "r e", "re d</w>"}}}}});
  const std::string text = "The man's RED coat & caf\xC3\xA9";
  for (const TempDir* dir : {&saved, &folder, &fast}) {
    const auto tokenizer = load_tokenizer(dir->path().string());
    EXPECT_EQ(tokenizer->encode(text), clip.huggingface->encode(text));
    EXPECT_EQ(tokenizer->pad_id(), 517);
  }
  EXPECT_EQ(load_tokenizer(folder.path().string(), "openai")->pad_id(), 0);
  const std::string own = invalid_input_of([&] { load_tokenizer(saved.path().string(), "openai"); });
  EXPECT_NE(own.find("no choice of conventions"), std::string::npos) << own;
  EXPECT_NE(invalid_input_of([&] {
              load_tokenizer("clip:" + (clip.dir / "merges").string(), "open");
            }).find("\"open\""),
            std::string::npos);
}

struct Bert {
  TempDir dir;
  std::shared_ptr<const Tokenizer> tokenizer;
  Bert() {
    write_text(dir / "vocab.txt",
               "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwalk\n##ing\n##s\nman\ncafe\n,\n\xE6\xBC\xA2\n");
    tokenizer = load_tokenizer("bert:" + (dir / "vocab.txt").string());
  }
};

TEST(WordPieceTokenizer, LongestPiecesAndDecodesBack) {
  const Bert bert;
  EXPECT_EQ(bert.tokenizer->encode("Walking, Caf\xC3\xA9"
                                   "s [MASK] runs\xE6\xBC\xA2"),
            (Ids{5, 6, 10, 9, 7, 4, 1, 11}));
  EXPECT_EQ(bert.tokenizer->decode({2, 5, 6, 8, 3, 0}), "walking man");
  EXPECT_EQ(bert.tokenizer->encode(std::string(101, 'w')), Ids{1});
  EXPECT_EQ(bert.tokenizer->encode_with_ends("man man man", 4), (Ids{2, 8, 8, 3}));
  EXPECT_EQ(bert.tokenizer->mask_id(), 4);
  invalid_input_of([&] { load_tokenizer("bert:" + (bert.dir / "vocab.txt").string(), "openai"); });
}

TEST(WordPieceTokenizer, DecodesAsTokenizersDoes) {
  TempDir dir;
  write_text(dir / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nman\n'\ns\ncoat\n,\n?\nit\n.\n!\n");
  const auto tokenizer = load_tokenizer("bert:" + (dir / "vocab.txt").string());
  // tokenizers 0.23.3, decode(..., skip_special_tokens=True).
  EXPECT_EQ(tokenizer->decode(tokenizer->encode_with_ends("A man's coat, it? [MASK] a zebra. it!", 30)),
            "a man ' s coat, it? a. it!");
}

TEST(WordPieceTokenizer, DeepJsonIsRefused) {
  TempDir dir;
  write_text(dir / "tokenizer.json",
             "{\"model\": " + std::string(300000, '[') + std::string(300000, ']') + "}");
  EXPECT_NE(invalid_input_of([&] { load_tokenizer(dir.path().string()); }).find("nested more than 256"),
            std::string::npos);
}

TEST(WordPieceTokenizer, EveryFormOfFileIsTheSameTokenizer) {
  const Bert bert;
  TempDir saved, fast;
  bert.tokenizer->save(saved.path());
  Json vocabulary = Json::object();
  for (int id = 0; id < bert.tokenizer->vocab_size(); ++id) vocabulary[bert.tokenizer->piece(id)] = id;
  write_json(fast / "tokenizer.json", {{"model", {{"type", "WordPiece"}, {"vocab", vocabulary}}}});
  for (const TempDir* dir : std::initializer_list<const TempDir*>{&saved, &fast, &bert.dir})
    EXPECT_EQ(load_tokenizer(dir->path().string())->encode("walks man"), (Ids{5, 7, 8}));
}

/// The model that train_tokenizer() makes has all special pieces: pad 0, unk 1, <s> 2, </s> 3.
struct Spm {
  TempDir dir;
  std::string spec;
  Spm() {
    train_tokenizer({"a man in red", "a red coat", "in a coat"}, 60)->save(dir.path());
    spec = "sentencepiece:" + (dir / "spm.model").string();
  }
};

TEST(SentencePieceTokenizer, EndsAndPadByConvention) {
  const Spm spm;
  const auto usual = load_tokenizer(spm.spec), bare = load_tokenizer(spm.spec, "eos"),
             padded = load_tokenizer(spm.spec, "eos,pad=3"), both = load_tokenizer(spm.spec, "bos,eos,pad=1");
  const Ids inner = usual->encode("a man");
  const auto with = [&](Ids ids, Ids end) {
    ids.insert(ids.end(), inner.begin(), inner.end());
    ids.insert(ids.end(), end.begin(), end.end());
    return ids;
  };
  const auto row = [](const Tokenizer& tokenizer, int length) {
    const Tensor rows = tokenizer.encode_batch({"a man"}, length, true);
    return Ids(rows.data<std::int32_t>(), rows.data<std::int32_t>() + rows.elements());
  };
  const int length = static_cast<int>(inner.size()) + 3;
  EXPECT_EQ(row(*usual, length), with({2}, {3, 0}));
  EXPECT_EQ(row(*bare, length), with({}, {3, 0, 0}));
  EXPECT_EQ(row(*padded, length), with({}, {3, 3, 3}));
  EXPECT_EQ(row(*both, length), with({2}, {3, 1}));
  EXPECT_EQ(bare->encode_with_ends("a man", 2), (Ids{inner[0], 3}));
  EXPECT_EQ(bare->begin_id(), -1);
  for (const char* bad : {"bos", "eos,bos", "pad=", "pad=x", "pad=-1", "eos,pad=100000", "openai"})
    EXPECT_NE(invalid_input_of([&] { load_tokenizer(spm.spec, bad); }).find(spm.dir.path().string()),
              std::string::npos);
}

TEST(SentencePieceTokenizer, TheConventionTravelsWithTheFolder) {
  const Spm spm;
  TempDir saved;
  const auto bare = load_tokenizer(spm.spec, "eos,pad=1");
  bare->save(saved.path());
  const auto loaded = load_tokenizer(saved.path().string());
  EXPECT_EQ(loaded->begin_id(), -1);
  EXPECT_EQ(loaded->pad_id(), 1);
  EXPECT_EQ(loaded->encode_with_ends("a man", 20), bare->encode_with_ends("a man", 20));
}

}  // namespace
}  // namespace edgeclip
