#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

namespace edgeclip {
namespace {

/// How the probe's tests of this name end, as ctest starts them.
int code_of(const std::string& filter) {
  const std::string command = "EDGECLIP_SKIP_CODE=77 exec '" EDGECLIP_PROBE "' --gtest_filter='" + filter +
                              "' --gtest_output= >/dev/null 2>&1";
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Ending, OnlyWhatWasTestedAndDidNotFailIsDone) {
  EXPECT_EQ(code_of("Probe.Passes"), 0);
  EXPECT_EQ(code_of("Probe.Fails"), 1);
  EXPECT_NE(code_of("Probe.Crashes"), 0);
  EXPECT_EQ(code_of("Probe.Leaves"), 3);
  EXPECT_EQ(code_of("ProbeSetUp.*"), 1);
  EXPECT_EQ(code_of("Probe.None"), 1);
}

TEST(Ending, ASkippedTestIsTold) {
  EXPECT_EQ(code_of("Probe.Skips"), 77);
  EXPECT_EQ(code_of("Probe.Passes:Probe.Skips"), 77);
}

TEST(Ending, ASkippedTestHidesNoFailure) {
  EXPECT_EQ(code_of("Probe.Skips:Probe.Fails"), 1);
  EXPECT_EQ(code_of("Probe.Skips:ProbeSetUp.*"), 1);
  EXPECT_NE(code_of("Probe.Skips:Probe.Crashes"), 77);
}

}  // namespace
}  // namespace edgeclip
