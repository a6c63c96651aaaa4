#include "base/remove_tree.h"

#include <gtest/gtest.h>

#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

TEST(RemoveTree, RemovesAllBelowAndFollowsNoLink) {
  test::TempDir dir;
  fs::create_directories(dir / "tree/a/b/c");
  fs::create_directories(dir / "kept");
  test::write_text(dir / "kept/file", "x");
  fs::create_symlink(dir / "kept", dir / "tree/a/link");
  fs::create_symlink("nowhere", dir / "tree/dangling");
  for (int i = 0; i < 700; ++i)  // more than are listed at once
    test::write_text((dir / "tree/a") / (std::string(40, 'n') + std::to_string(i)), "");
  EXPECT_TRUE(remove_tree((dir / "tree").c_str()));
  EXPECT_FALSE(fs::exists(dir / "tree"));
  EXPECT_TRUE(fs::exists(dir / "kept/file"));
  EXPECT_TRUE(remove_tree((dir / "kept/file").c_str()));
  EXPECT_TRUE(remove_tree((dir / "nothing").c_str()));
  EXPECT_TRUE(fs::is_empty(dir / "kept"));
}

}  // namespace
}  // namespace edgeclip
