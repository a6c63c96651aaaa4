#include "train/arithmetic.h"

#include <gtest/gtest.h>

#include "train/torch_runtime.h"

namespace edgeclip {
namespace {

TEST(Arithmetic, SaysWhatBitsDependOn) {
  prepare_torch();
  const Json here = arithmetic_here();
  EXPECT_GE(here["threads"].get<int>(), 1);
  EXPECT_FALSE(here["libtorch"].get<std::string>().empty());
#if defined(__x86_64__)
  EXPECT_FALSE(here["cpu"].get<std::string>().empty());
#endif
  EXPECT_EQ(arithmetic_differences(here, here), "");
}

TEST(Arithmetic, NamesWhatDiffers) {
  const Json before = {{"threads", 4}, {"cpu", "AVX512"}, {"blas", "SkylakeX"}};
  const Json now = {{"threads", 2}, {"cpu", "AVX2"}, {"blas", "SkylakeX"}, {"libtorch", "1.13.1"}};
  EXPECT_EQ(arithmetic_differences(before, now), "threads 2 instead of 4, cpu AVX2 instead of AVX512");
  EXPECT_EQ(arithmetic_differences(Json(), now), "") << "a run of an earlier version";
}

}  // namespace
}  // namespace edgeclip
