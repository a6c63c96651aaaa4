// Weights are written as model/weight.h says: what goes around it leaves no version behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <sstream>

#include "base/file.h"
#include "support/support.h"

namespace edgeclip::test {
namespace {

namespace fs = std::filesystem;

/// Of which tensor a line takes the memory to write to it: where no const pointer is made of it.  "" of none.
std::string written_through(const std::string& line) {
  static const std::regex pointer(R"((\w+)(?:\.\w+)*\s*(?:\.|->)\s*(?:template\s+)?(?:mutable_)?data_ptr\b)"), read(R"(\bconst\b.*data_ptr)");
  std::smatch match;
  return std::regex_search(line, match, pointer) && !std::regex_search(line, read) ? match[1].str() : "";
}

/// Whether the file makes the tensor of that name, or says that it was written.
bool makes_or_says(const std::string& text, const std::string& name) {
  if (text.find("weight_was_written(") != std::string::npos) return true;
  const std::regex made("\\b" + name + R"(\s*=[^;]*?(?:empty|zeros|ones|full|like|clone|contiguous|new_\w+)\s*\()");
  return std::regex_search(text, made);
}

/// "path:line" of each line below the folders that gives a tensor other data behind its version's back, or
/// writes through a pointer to a tensor that the file has not made, without weight_was_written().  Pointers in
/// model/ops are left out: its functions write to the results that they make, through helpers of theirs.
std::vector<std::string> goes_around(const fs::path& source, const std::vector<std::string>& folders) {
  static const std::regex around(R"(\.set_data\s*\(|\.data\s*\(\)\s*\.\w+_\s*\(|\.variable_data\s*\()");
  std::vector<std::string> found;
  for (const std::string& folder : folders)
    for (const auto& entry : fs::recursive_directory_iterator(source / folder)) {
      const std::string name = entry.path().lexically_relative(source).string();
      if (!entry.is_regular_file() || name == "model/weight.cpp") continue;
      const std::string text = read_file(entry.path());
      std::istringstream in(text);
      int number = 0;
      for (std::string line; std::getline(in, line);) {
        ++number;
        const std::string tensor = written_through(line.substr(0, line.find("//")));
        const bool writes = name.rfind("model/ops/", 0) != 0 && !tensor.empty() && !makes_or_says(text, tensor);
        if (std::regex_search(line, around) || writes)
          found.push_back(name + ":" + std::to_string(number));
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
  write_text(dir / "model/pointer.cpp",
             "float* p = w.data_ptr<float>();\nconst float* q = w.data_ptr<float>();\n"
             "torch::Tensor y = torch::empty_like(w);\nfloat* to = y.data_ptr<float>();\n"
             "update(parameter.value.data_ptr<float>(), n);  // w\n");
  write_text(dir / "model/says.cpp", "update(w.data_ptr<float>(), n);\nweight_was_written(w);\n");
  const std::vector<std::string> expected = {"model/layer.cpp:2", "model/layer.cpp:3", "model/pointer.cpp:1",
                                             "model/pointer.cpp:5"};
  EXPECT_EQ(goes_around(dir.path(), {"model"}), expected);
}

}  // namespace
}  // namespace edgeclip::test
