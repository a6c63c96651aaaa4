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

/// A model of a normalizer whose trie is `units`, then the texts "x" and "".
std::string model_of(std::vector<std::uint32_t> units) {
  const auto field = [](char key, const std::string& bytes) {
    std::string out(1, key);
    std::size_t size = bytes.size();
    for (; size >= 0x80; size >>= 7) out += static_cast<char>((size & 0x7F) | 0x80);
    return out + static_cast<char>(size) + bytes;
  };
  units.resize(256);
  std::string map(4 + 1024, '\0');
  const std::uint32_t bytes = 1024;
  std::memcpy(map.data(), &bytes, 4);
  std::memcpy(map.data() + 4, units.data(), 1024);
  return field('\x1a', field('\x12', map + std::string("x\0\0", 3)));
}
constexpr std::uint32_t offset(std::uint32_t value) { return value << 10; }
constexpr std::uint32_t kLeaf = 1u << 8, kValue = 1u << 31;

TEST(SentencePieceModel, TriesThatTheLibraryCannotFollowAreRefused) {
  const auto message = [](const std::string& model) {
    return invalid_input_of([&] { require_sound_model(model, "bad.model"); });
  };
  // The root's children lie at 0x80 ^ byte.  "a" leads to 0xe1, and from there to itself for ever.
  std::vector<std::uint32_t> circle(256);
  circle[0] = offset(0x80);
  circle[0x80] = kValue;
  circle[0xe1] = 0x61 | offset(0x61) | kLeaf;
  EXPECT_NE(message(model_of(circle)).find("circle"), std::string::npos);
  // A leaf whose value lies behind the texts.
  std::vector<std::uint32_t> far = circle;
  far[0xe1] = 0x61 | offset(0xe1 ^ 0x20) | kLeaf;
  far[0x20] = kValue | 3;
  EXPECT_NE(message(model_of(far)).find("outside its texts"), std::string::npos);
  far[0x20] = kValue | 1;
  require_sound_model(model_of(far), "good.model");
  // Byte 0 is followed too.
  std::vector<std::uint32_t> zero = far;
  zero[0x80] = offset(0x3ff);
  EXPECT_NE(message(model_of(zero)).find("outside itself"), std::string::npos);
  // A key of more than 32 bits, which protobuf takes for field 3.
  const std::string sound = model_of(far);
  EXPECT_NE(message(std::string("\x9a\x80\x80\x80\x10", 5) + sound.substr(1)).find("out of range"),
            std::string::npos);
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
