#include <gtest/gtest.h>

#include <cstdlib>

/// Tests that end in every way there is, for tests/harness.

TEST(Probe, Passes) {}
TEST(Probe, Skips) { GTEST_SKIP() << "for a reason"; }
TEST(Probe, Fails) { FAIL(); }
TEST(Probe, Crashes) { std::abort(); }
TEST(Probe, Leaves) { std::_Exit(3); }

class ProbeSetUp : public testing::Test {
 protected:
  static void SetUpTestSuite() { FAIL(); }
};
TEST_F(ProbeSetUp, IsNotReached) {}
