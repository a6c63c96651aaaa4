// Weights are written as model/weight.h says: what goes around it leaves no version behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>

#include "support/support.h"

namespace edgeclip::test {
namespace {

namespace fs = std::filesystem;

/// "path:line" of each line below the folders that gives a tensor other data behind its version's back.
std::vector<std::string> goes_around(const fs::path& source, const std::vector<std::string>& folders) {
  static const std::regex around(R"(\.set_data\s*\(|\.data\s*\(\)\s*\.\w+_\s*\(|\.variable_data\s*\()");
  std::vector<std::string> found;
  for (const std::string& folder : folders)
    for (const auto& entry : fs::recursive_directory_iterator(source / folder)) {
      const std::string name = entry.path().lexically_relative(source).string();
      if (!entry.is_regular_file() || name == "model/weight.cpp") continue;
      std::ifstream in(entry.path());
      int number = 0;
      for (std::string line; std::getline(in, line);) {
        ++number;
        if (std::regex_search(line, around)) found.push_back(name + ":" + std::to_string(number));
      }
    }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(Weights, AreWrittenInOnePlace) {
  EXPECT_EQ(goes_around(fs::path(EDGECLIP_SOURCE_DIR) / "src", {"model", "train", "compress", "export"}),
            std::vector<std::string>());
}

TEST(Weights, AreFoundWhereTheyAreWritten) {
  TempDir dir;
  fs::create_directories(dir / "model");
  write_text(dir / "model/weight.cpp", "parameter.set_data(value);\n");
  write_text(dir / "model/layer.cpp", "w.copy_(v);\nw.set_data(v);\nw.data().mul_(2);\n");
  const std::vector<std::string> expected = {"model/layer.cpp:2", "model/layer.cpp:3"};
  EXPECT_EQ(goes_around(dir.path(), {"model"}), expected);
}

}  // namespace
}  // namespace edgeclip::test
