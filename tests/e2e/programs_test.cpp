#include <gtest/gtest.h>

#include "base/json.h"
#include "process.h"

namespace edgeclip::test {
namespace {

std::vector<std::string> programs() {
  std::vector<std::string> list = {EDGECLIP_EDGE_PROGRAM};
#ifdef EDGECLIP_PROGRAM
  list.push_back(EDGECLIP_PROGRAM);
#endif
  return list;
}

TEST(Programs, HelpOfEveryCommandShowsAnExample) {
  for (const auto& program : programs()) {
    const auto commands = listed_commands(program);
    EXPECT_GE(commands.size(), 9u) << program;
    for (const auto& command : commands) {
      const ProcessResult help = run({program, command, "--help"});
      EXPECT_EQ(help.code, 0) << command;
      EXPECT_NE(help.out.find("Example:\n  edgeclip"), std::string::npos) << command;
      EXPECT_EQ(help.err, "") << command;
    }
  }
}

TEST(Programs, EveryCommandPrintsItsConfiguration) {
  for (const auto& program : programs())
    for (const auto& command : listed_commands(program)) {
      const ProcessResult result = run({program, command, "--print-config"});
      EXPECT_EQ(result.code, 0) << command << ": " << result.err;
      EXPECT_TRUE(Json::parse(result.out, nullptr, false).is_object()) << command;
    }
}

TEST(Programs, EdgeHasNoWorkshopCommands) {
  const ProcessResult result = run({EDGECLIP_EDGE_PROGRAM, "train"});
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("unknown command \"train\""), std::string::npos) << result.err;
}

TEST(Programs, EdgeLinksNeitherLibTorchNorCodecs) {
  const ProcessResult ldd = run({"/usr/bin/ldd", EDGECLIP_EDGE_PROGRAM});
  ASSERT_EQ(ldd.code, 0) << ldd.err;
  ASSERT_NE(ldd.out.find("libdnnl"), std::string::npos) << "ldd shows nothing";
  for (const char* library : {"torch", "libc10", "opencv_imgcodecs", "opencv_videoio"})
    EXPECT_EQ(ldd.out.find(library), std::string::npos) << library;
}

TEST(Programs, SystemInspection) {
  const ProcessResult result = run({EDGECLIP_EDGE_PROGRAM, "inspect", "--system", "--json", "-"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json report = Json::parse(result.out);
  for (const char* key : {"version", "revision", "cpu", "features", "cpus", "libraries"})
    EXPECT_TRUE(report.contains(key)) << key;
}

TEST(Programs, ClosedOutputIsAnErrorNotSilence) {
  const ProcessResult result =
      run({"/bin/sh", "-c", std::string(EDGECLIP_EDGE_PROGRAM) + " --help > /dev/full"});
  EXPECT_EQ(result.code, 4);
  EXPECT_NE(result.err.find("standard output: cannot be written"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace edgeclip::test
