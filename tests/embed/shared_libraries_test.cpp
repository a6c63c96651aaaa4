// The files of the shared libraries: what they show, and what they need.
#include <gtest/gtest.h>

#include <sstream>

#include "embed/shell.h"

namespace edgeclip::test {
namespace {

std::string output_of(const std::string& command) { return shell(command).text; }

/// The names that others may use.
std::vector<std::string> exported(const std::string& library) {
  std::istringstream lines(output_of("nm -D --defined-only --without-symbol-versions " + library));
  std::vector<std::string> names;
  std::string address, type, name;
  while (lines >> address >> type >> name)
    if (type != "A") names.push_back(name);  // the version itself
  return names;
}

TEST(SharedLibraries, ShowTheirCFunctionsAlone) {
  for (const auto& [library, least] :
       {std::pair<std::string, std::size_t>{EDGECLIP_ENGINE_LIBRARY, 20}, {EDGECLIP_LIBRARY, 35}}) {
    const std::vector<std::string> names = exported(library);
    EXPECT_GE(names.size(), least) << library;
    for (const std::string& name : names)
      EXPECT_EQ(name.rfind("edgeclip_", 0), 0u) << library << ": " << name;
  }
}

TEST(SharedLibraries, TheEngineNeedsLittle) {
  const std::string needed = output_of("readelf -d " EDGECLIP_ENGINE_LIBRARY " | grep NEEDED");
  EXPECT_NE(needed.find("libdnnl"), std::string::npos) << needed;
  for (const char* library :
       {"protobuf", "onnx", "icu", "sentencepiece", "opencv", "freetype", "jpeg", "png"})
    EXPECT_EQ(needed.find(library), std::string::npos) << needed;
}

TEST(SharedLibraries, EdgeclipNeedsNeitherOpenCvNorProtobuf) {
  const std::string needed = output_of("readelf -d " EDGECLIP_LIBRARY " | grep NEEDED");
  EXPECT_NE(needed.find("libdnnl"), std::string::npos) << needed;
  std::vector<std::string> unwanted = {"protobuf",         "onnx",           "sentencepiece",
                                       "opencv_imgcodecs", "opencv_videoio", "torch"};
#if !defined( \
    __SANITIZE_ADDRESS__)  // whose build compiles several sources as one, so that more of them are linked
  unwanted.insert(unwanted.end(), {"opencv", "freetype"});
#endif
  for (const std::string& library : unwanted) EXPECT_EQ(needed.find(library), std::string::npos) << needed;
}

TEST(SharedLibraries, AreNamedByTheirAbi) {
  EXPECT_NE(output_of("readelf -d " EDGECLIP_ENGINE_LIBRARY).find("[libedgeclip_engine.so.1]"),
            std::string::npos);
  EXPECT_NE(output_of("readelf -d " EDGECLIP_LIBRARY).find("[libedgeclip.so.1]"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip::test
