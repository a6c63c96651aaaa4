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

}  // namespace
}  // namespace edgeclip
