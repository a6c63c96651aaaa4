#include "data/text/sentencepiece_model.h"

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "data/text/tokenizer.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using test::invalid_input_of;
using test::TempDir;
using test::write_text;

std::string trained_model() {
  TempDir dir;
  train_tokenizer({"a man in red", "a red coat"}, 40)->save(dir.path());
  return read_file(dir / "spm.model");
}

/// Where the character map (trie size, trie, texts) begins: the longest field of the normalizer.
std::size_t map_of(const std::string& model) {
  const std::string key = "nmt_nfkc_cf\x12";  // the field before it, and its own key
  const auto at = model.find(key);
  EXPECT_NE(at, std::string::npos);
  return at + key.size() + 3;  // its size takes three bytes
}

TEST(SentencePieceModel, ATrainedOneIsSound) { require_sound_model(trained_model(), "m"); }

TEST(SentencePieceModel, ATrieThatPointsOutsideItselfIsRefused) {
  const std::string model = trained_model();
  const std::size_t map = map_of(model);
  std::uint32_t trie_bytes = 0;
  std::memcpy(&trie_bytes, model.data() + map, 4);
  ASSERT_EQ(trie_bytes % 1024, 0u);
  const auto with = [&](std::size_t at, std::uint32_t value) {
    std::string bad = model;
    std::memcpy(bad.data() + map + at, &value, 4);
    return invalid_input_of([&] { require_sound_model(bad, "bad.model"); });
  };
  EXPECT_NE(with(4, 0x7FFFFE00u).find("bad.model"), std::string::npos);   // the root's children
  EXPECT_NE(with(0, trie_bytes + 4).find("cut off"), std::string::npos);  // no whole blocks
  EXPECT_NE(with(0, 0x7FFFFC00u).find("cut off"), std::string::npos);     // larger than the file
}

TEST(SentencePieceModel, EveryCutIsRefusedOrLoads) {
  const std::string model = trained_model();
  TempDir dir;
  for (std::size_t size = 1; size < model.size(); size += size < 600 ? 7 : 9973) {
    write_text(dir / "cut.model", model.substr(0, size));
    try {
      load_tokenizer("sentencepiece:" + (dir / "cut.model").string())->encode("a man");
    } catch (const InvalidInput& refused) {
      EXPECT_NE(std::string(refused.what()).find("cut.model"), std::string::npos) << refused.what();
    }
  }
}

}  // namespace
}  // namespace edgeclip
