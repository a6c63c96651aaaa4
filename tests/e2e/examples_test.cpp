#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "example_world.h"
#include "process.h"

/// Every command's --help example runs as printed.
namespace edgeclip::test {
namespace {

/// What an example needs that no test can make: it is left out where that is missing, and said.
struct Needs {
  const char* part;  ///< of the example
  const char* file;  ///< of the world, or absolute
  const char* why;
};
constexpr Needs kNeeds[] = {
    {"clip:bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt.gz", "CLIP's vocabulary is not ours to bring along ($EDGECLIP_DATA)"},
    {"ViT-B-32.pt", "ViT-B-32.pt", "OpenAI's checkpoint is not ours to bring along"},
    {"/usr/share/doc/opencv-doc", "/usr/share/doc/opencv-doc/examples/data/vtest.avi", "the video is one of Debian's opencv-doc"}};

std::string missing(const ExampleWorld& world, const std::string& example) {
  for (const Needs& needs : kNeeds)
    if (example.find(needs.part) != std::string::npos && !world.has(needs.file)) return needs.why;
  return {};
}

/// Runs the examples of every command but those of `others`; each command has one that ran.
void run_examples(const std::string& program, const ExampleWorld& world, const std::vector<std::string>& others) {
  std::size_t covered = 0;
  for (const std::string& command : listed_commands(program)) {
    if (std::find(others.begin(), others.end(), command) != others.end()) continue;
    ++covered;
    const auto examples = examples_of(program, command);
    EXPECT_FALSE(examples.empty()) << command;
    int ran = 0;
    for (const std::string& example : examples) {
      if (const std::string why = missing(world, example); !why.empty()) {
        std::cout << "left out: " << example << ": " << why << "\n";
        continue;
      }
      EXPECT_EQ(world.try_example(example), "");
      ++ran;
    }
    EXPECT_GT(ran, 0) << command << ": no example of it could run";
  }
  EXPECT_GE(covered, 9u) << program;
}

TEST(Examples, OfEdgeCommandsRunAsPrinted) {
  const ExampleWorld world(false);
  run_examples(EDGECLIP_EDGE_PROGRAM, world, {});
}

#ifdef EDGECLIP_PROGRAM
TEST(Examples, OfWorkshopCommandsRunAsPrinted) {
  const ExampleWorld world(true);
  run_examples(EDGECLIP_PROGRAM, world, listed_commands(EDGECLIP_EDGE_PROGRAM));  // the same code
}
#endif

}  // namespace
}  // namespace edgeclip::test
