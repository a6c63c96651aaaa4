#include "kernels/cpu_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace edgeclip::kernels {
namespace {

TEST(CpuFeatures, LevelsAreOrderedAndBeginWithScalar) {
  const auto& levels = cpu_levels();
  ASSERT_FALSE(levels.empty());
  EXPECT_EQ(levels.front(), CpuLevel::scalar);
  EXPECT_TRUE(std::is_sorted(levels.begin(), levels.end()));
  EXPECT_EQ(cpu_level(), levels.back());
  EXPECT_EQ(level_name(CpuLevel::avx512_bf16), "avx512_bf16");
}

/// The kernel's list of what it found, where there is one.
TEST(CpuFeatures, AgreeWithTheSystem) {
  std::ifstream in("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(in, line);)
    if (line.rfind("flags", 0) == 0) flags = " " + line.substr(line.find(':') + 1) + " ";
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo has no line of flags here";
  const auto has = [&](const char* flag) { return flags.find(std::string(" ") + flag + " ") != std::string::npos; };
  const bool cut = std::getenv("EDGECLIP_CPU") != nullptr;  // to some of what there is
  const auto expect = [&](CpuLevel level, bool there) {
    if (cut)
      EXPECT_LE(cpu_has(level), there) << level_name(level);
    else
      EXPECT_EQ(cpu_has(level), there) << level_name(level);
  };
  expect(CpuLevel::avx2, has("avx2") && has("fma") && has("f16c"));
  expect(CpuLevel::avx_vnni, has("avx_vnni"));
  expect(CpuLevel::avx512, has("avx512f") && has("avx512bw") && has("avx512dq") && has("avx512vl"));
  expect(CpuLevel::avx512_vnni, has("avx512f") && has("avx512_vnni"));
  expect(CpuLevel::avx512_bf16, has("avx512_bf16"));
}

}  // namespace
}  // namespace edgeclip::kernels
