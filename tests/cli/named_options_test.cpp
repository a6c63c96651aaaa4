#include "cli/runtime/named_options.h"

#include <gtest/gtest.h>

#include "support/support.h"

namespace edgeclip {
namespace {

TEST(NamedOptions, AreThoseOfFilesSettingsAndFlags) {
  const test::TempDir dir;
  test::write_text(dir / "c.json", R"({"a": {"b": 1}, "c": [2]})");
  CommonOptions common;
  common.config = {(dir / "c.json").string(), "/dev/null"};
  common.set = {"a.d=3", "e.f={\"g\": 1}", "e.h=x"};
  const Json names = named_options(common, {{"i", 1}});
  for (const char* path : {"/a/b", "/a/d", "/c", "/e/f/g", "/e/h", "/i"})
    EXPECT_TRUE(names.contains(Json::json_pointer(path))) << path << " in " << names;
  EXPECT_FALSE(names.contains(Json::json_pointer("/a/c")));
}

}  // namespace
}  // namespace edgeclip
