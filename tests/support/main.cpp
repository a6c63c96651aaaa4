#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace {

/// GoogleTest only skips the tests of a suite whose SetUpTestSuite failed: the program ends before that can
/// pass for a skipped test.
class FailedSuites : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { in_test_ = true; }
  void OnTestEnd(const testing::TestInfo&) override { in_test_ = false; }
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed() || in_test_) return;
    std::fprintf(stderr, "failed outside a test: %s\n", result.message());
    std::_Exit(1);
  }
  bool in_test_ = false;
};

}  // namespace

/// main of every test program.  Besides what gtest's does: a run without any test is a failure (a filter that
/// names nothing tests nothing), and a run in which none fails but one is skipped ends with
/// $EDGECLIP_SKIP_CODE if that is set, so that ctest can tell it from one that tested everything.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new FailedSuites);
  const int code = RUN_ALL_TESTS();
  const testing::UnitTest& tests = *testing::UnitTest::GetInstance();
  if (code != 0 || GTEST_FLAG_GET(list_tests)) return code;
  if (tests.test_to_run_count() == 0) {
    std::fprintf(stderr, "no test matches %s\n", GTEST_FLAG_GET(filter).c_str());
    return 1;
  }
  const char* skip_code = std::getenv("EDGECLIP_SKIP_CODE");
  return skip_code && tests.skipped_test_count() > 0 ? std::atoi(skip_code) : 0;
}
