#include "base/registry.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

struct Row {
  const char* name;
  int value;
};
constexpr Row kRows[] = {{"one", 1}, {"two", 2}};

TEST(Registry, FindsRowsByName) {
  EXPECT_EQ(named_row(kRows, "two").value, 2);
  EXPECT_EQ(row_names(kRows), (std::vector<std::string>{"one", "two"}));
  EXPECT_THROW(named_row(kRows, "three"), InternalError);
}

}  // namespace
}  // namespace edgeclip
