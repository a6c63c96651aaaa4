#include "model/lora/name_match.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

TEST(NameMatch, EndsExpressionsAndLists) {
  EXPECT_TRUE(ends_with_name("a.b.q_proj", "q_proj"));
  EXPECT_TRUE(ends_with_name("a.b.q_proj", "b.q_proj"));
  EXPECT_TRUE(ends_with_name("q_proj", "q_proj"));
  EXPECT_FALSE(ends_with_name("a.xq_proj", "q_proj"));
  EXPECT_FALSE(ends_with_name("q_proj", "a.q_proj"));
  const NameExpression expression(R"(.*layers\.[01]\.(?i:FC)\d)", "x");
  EXPECT_TRUE(expression.fits("t.layers.1.fc2"));
  EXPECT_FALSE(expression.fits("t.layers.1.fc2.x"));
  const NamePattern layers("layers.0-2.*_proj", NamePart::kEnd, "x");
  EXPECT_TRUE(layers.fits("a.layers.2.self_attn.q_proj"));
  EXPECT_FALSE(layers.fits("a.layers.3.self_attn.q_proj"));
  EXPECT_FALSE(layers.fits("a.layers.2.self_attn.q_proj.lora_A"));
  EXPECT_TRUE(NamePattern("layers.0-2", NamePart::kBefore, "x").fits("layers.1.q_proj"));
  EXPECT_FALSE(NamePattern("layers.0-2", NamePart::kBefore, "x").fits("a.layers.1"));
  EXPECT_FALSE(NamePattern("a+b", NamePart::kEnd, "x").fits("aab")) << "a name, no expression";
  EXPECT_TRUE(NameList({"re:a.*"}, "x").fits("abc"));
  EXPECT_FALSE(NameList({}, "x").fits("abc"));
}

}  // namespace
}  // namespace edgeclip
