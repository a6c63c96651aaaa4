#include "cli/runtime/texts.h"

#include <gtest/gtest.h>

#include "support/support.h"

namespace edgeclip {
namespace {

using Texts = std::vector<std::string>;

TEST(Texts, OnePerLine) {
  const test::TempDir dir;
  test::write_text(dir / "t.txt", "a man in red\r\na woman\n\n \n");
  EXPECT_EQ(read_texts(dir / "t.txt"), (Texts{"a man in red", "a woman"}));
}

TEST(Texts, JsonList) {
  const test::TempDir dir;
  test::write_text(dir / "t.json", "\n [\"one\", \"two\\nlines\"]");
  EXPECT_EQ(read_texts(dir / "t.json"), (Texts{"one", "two\nlines"}));
}

TEST(Texts, FaultsNameTheirLine) {
  const test::TempDir dir;
  const auto message = [&](const std::string& text) {
    test::write_text(dir / "t", text);
    return test::invalid_input_of([&] { read_texts(dir / "t"); });
  };
  EXPECT_NE(message("one\n\nthree").find("t:2"), std::string::npos);
  EXPECT_NE(message("one\n\xff").find("t:2"), std::string::npos);
  EXPECT_NE(message("[\"one\", 2]").find("[1]: expected a string, found"), std::string::npos);
  EXPECT_NE(message("").find("holds no text"), std::string::npos);
  EXPECT_NE(message("[\"one\"").find("t"), std::string::npos);
}

TEST(Texts, SayWhatAModelDoesNotSee) {
  Texts captions;
  for (const char* colour : {"red", "green", "blue", "black"})
    for (const char* what : {"jacket", "shirt", "dress"})
      captions.push_back(std::string("a man wears a ") + colour + " " + what + " and carries a bag");
  const auto trained = train_tokenizer(captions, 200);
  EXPECT_EQ(unseen_of(*trained, "a man wears a red shirt", 77), "");
  EXPECT_EQ(unseen_of(*trained, "a man wears a red shirt", 6),
            "2 of 6 tokens are cut off, the model reads 4");
  EXPECT_EQ(unseen_of(*trained, "a man 😀 in 日日 red", 77), "the vocabulary does not know \"😀\", \"日\"");
  const std::string both = unseen_of(*trained, "a man wears a red 😀 shirt", 6);
  EXPECT_NE(both.find("cut off"), std::string::npos);
  EXPECT_NE(both.find("; the vocabulary does not know"), std::string::npos);

  const test::TempDir dir;
  test::write_text(dir / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nman\nxy\n");
  const auto words = load_tokenizer("bert:" + (dir / "vocab.txt").string());
  EXPECT_EQ(unseen_of(*words, "a man", 8), "");
  EXPECT_EQ(unseen_of(*words, "a aman", 8), "the vocabulary does not know \"m\", \"n\"");
  EXPECT_EQ(beginning("äöü", 3), "ä...");
  EXPECT_EQ(beginning("äöü", 6), "äöü");
}

}  // namespace
}  // namespace edgeclip
