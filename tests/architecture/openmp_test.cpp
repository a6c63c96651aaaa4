// The runtime divides its work over threads of its own: OpenMP's wait for each other by spinning.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>

#include "support/support.h"

namespace edgeclip::test {
namespace {

namespace fs = std::filesystem;

/// "path:line" of each line below the folders that asks for OpenMP's threads.  `omp simd` starts none.
std::vector<std::string> asks_for_openmp(const fs::path& source, const std::vector<std::string>& folders) {
  static const std::regex asks(R"(#\s*pragma\s+omp\s+(?!simd)|#\s*include\s*<omp\.h>|\bomp_\w+\s*\()");
  std::vector<std::string> found;
  for (const std::string& folder : folders)
    for (const auto& entry : fs::recursive_directory_iterator(source / folder)) {
      const std::string name = entry.path().lexically_relative(source).string();
      // oneDNN asks OpenMP how many threads there are: there it is told that there is one.
      if (!entry.is_regular_file() || name == "engine/cpu/onednn.cpp") continue;
      std::ifstream in(entry.path());
      int number = 0;
      for (std::string line; std::getline(in, line);) {
        ++number;
        if (std::regex_search(line, asks)) found.push_back(name + ":" + std::to_string(number));
      }
    }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(OpenMp, StartsNoThreadsInTheRuntime) {
  EXPECT_EQ(asks_for_openmp(fs::path(EDGECLIP_SOURCE_DIR) / "src",
                            {"engine", "kernels", "retrieval", "dual_encoder"}),
            std::vector<std::string>());
}

TEST(OpenMp, IsFoundWhereItIs) {
  TempDir dir;
  fs::create_directories(dir / "engine/cpu");
  write_text(dir / "engine/cpu/onednn.cpp", "#include <omp.h>\n");
  write_text(
      dir / "engine/cpu/loop.cpp",
      "#include <omp.h>\n#pragma omp simd\n  #  pragma omp parallel for\nint n = omp_get_max_threads();\n");
  const std::vector<std::string> expected = {"engine/cpu/loop.cpp:1", "engine/cpu/loop.cpp:3",
                                             "engine/cpu/loop.cpp:4"};
  EXPECT_EQ(asks_for_openmp(dir.path(), {"engine"}), expected);
}

}  // namespace
}  // namespace edgeclip::test
