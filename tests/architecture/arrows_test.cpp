#include <gtest/gtest.h>

#include "architecture/arrow_check.h"
#include "support/support.h"

namespace edgeclip::test {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = EDGECLIP_SOURCE_DIR;

Arrows the_map() { return read_arrows(kSource / "docs/architecture.md"); }

std::string lines(const std::vector<std::string>& list) {
  std::string text;
  for (const auto& line : list) text += line + "\n";
  return text;
}

TEST(Arrows, TheMapNamesEveryFolderAndHasNoCycle) {
  const Arrows arrows = the_map();
  for (const auto& [folder, uses] : arrows.direct)
    for (const auto& other : uses) {
      EXPECT_TRUE(arrows.knows(other)) << other;
      EXPECT_FALSE(arrows.allows(other, folder)) << folder << " and " << other << " use each other";
    }
  EXPECT_FALSE(arrows.allows("retrieval", "engine"));
  EXPECT_FALSE(arrows.torch.count("engine"));
}

TEST(Arrows, IncludesFollowTheMap) {
  const auto violations = check_includes(kSource / "src", the_map());
  EXPECT_TRUE(violations.empty()) << lines(violations);
}

TEST(Arrows, LinksFollowTheMap) {
  const auto violations = check_links(fs::path(EDGECLIP_BINARY_DIR) / "generated/link_graph.txt", the_map());
  EXPECT_TRUE(violations.empty()) << lines(violations);
  // The graph as CMake writes it is understood: a map without one of its arrows is violated.
  Arrows without = the_map();
  without.direct.at("retrieval").erase("bundle");
  EXPECT_EQ(check_links(fs::path(EDGECLIP_BINARY_DIR) / "generated/link_graph.txt", without),
            std::vector<std::string>{"retrieval may not link bundle"});
}

TEST(Arrows, AReversedIncludeIsFound) {
  TempDir dir;
  fs::create_directories(dir / "base");
  fs::create_directories(dir / "engine/cpu");
  fs::create_directories(dir / "cli/runtime");
  write_text(dir / "base/a.cpp", "#include <vector>\n#include \"data/image/image.h\"\n");
  write_text(dir / "engine/cpu/k.h",
             "#include \"base/error.h\"\n#  include <torch/torch.h>\n#include \"retrieval/encoder.h\"\n"
             "#include <retrieval/encoder.h>\n#include \"../../cli/runtime/c.h\"\n#include \"k2.h\"\n");
  write_text(dir / "engine/cpu/k2.h", "");
  write_text(dir / "cli/runtime/c.h", "");
  write_text(
      dir / "cli/runtime/c.cpp",
      "#include \"builder/verify.h\"\n#include <opencv2/videoio.hpp>\n#include \"cli/workshop/w.h\"\n");
  const std::vector<std::string> expected = {
      "base/a.cpp:2: base may not include data",
      "cli/runtime/c.cpp:2: only data/media_module may use OpenCV's imgcodecs and videoio "
      "(opencv2/videoio.hpp)",
      "cli/runtime/c.cpp:3: cli_runtime may not include cli_workshop",
      "engine/cpu/k.h:2: engine may not include LibTorch (torch/torch.h)",
      "engine/cpu/k.h:3: engine may not include retrieval",
      "engine/cpu/k.h:4: engine may not include retrieval",
      "engine/cpu/k.h:5: engine may not include cli_runtime",
  };
  EXPECT_EQ(check_includes(dir.path(), the_map()), expected);
}

TEST(Arrows, AReversedLinkIsFound) {
  TempDir dir;
  write_text(
      dir / "graph.txt",
      "base: fmt::fmt\ndata: edgeclip_base edgeclip_flags\nretrieval: edgeclip_bundle edgeclip_engine\n"
      "engine: edgeclip_base /usr/lib/libtorch_cpu.so\n");
  const std::vector<std::string> expected = {"retrieval may not link engine",
                                             "engine may not link LibTorch (/usr/lib/libtorch_cpu.so)"};
  EXPECT_EQ(check_links(dir / "graph.txt", the_map()), expected);
}

}  // namespace
}  // namespace edgeclip::test
