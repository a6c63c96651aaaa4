#include "base/csv.h"

#include "support/support.h"

namespace edgeclip {
namespace {

using Rows = std::vector<std::vector<std::string>>;

TEST(Csv, WhatIsWrittenIsReadAgain) {
  test::TempDir dir;
  const Rows rows = {{"path", "caption"},   {"", ""},         {""},
                     {"a,b", "two\nlines"}, {"\"", "a\rb\r"}, {"", "\xC3\xA9"}};
  std::string text;
  for (const auto& row : rows) text += csv_row(row);
  test::write_text(dir / "a.csv", text);
  EXPECT_EQ(read_csv(dir / "a.csv"), rows);
}

}  // namespace
}  // namespace edgeclip
