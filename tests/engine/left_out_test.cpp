#include "engine/ops/left_out.h"

#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(LeftOut, TheRefusalSaysWhy) {
  const auto refused = [](const char* op) {
    return unsupported_of([&] { run_node(op, {floats({1}, {1})}); });
  };
  EXPECT_NE(refused("NonZero").find("depends on data"), std::string::npos);
  EXPECT_NE(refused("If").find("control flow"), std::string::npos);
  EXPECT_NE(refused("SequenceAt").find("sequences"), std::string::npos);
  EXPECT_NE(refused("Bernoulli").find("chance"), std::string::npos);
}

TEST(LeftOut, NothingThatIsThere) {
  for (const Operator& row : operators())
    EXPECT_TRUE(*row.domain || why_left_out(row.name).empty()) << row.name;
}

}  // namespace
}  // namespace edgeclip::engine
