#pragma once

#include <cstdlib>
#include <filesystem>

namespace edgeclip::test {

/// The surveillance video of Debian's package opencv-doc: $EDGECLIP_VTEST, or where the package puts it; else
/// empty.
inline std::filesystem::path vtest_video() {
  const char* named = std::getenv("EDGECLIP_VTEST");
  const std::filesystem::path path =
      named && *named ? named : "/usr/share/doc/opencv-doc/examples/data/vtest.avi";
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

}  // namespace edgeclip::test

#define EDGECLIP_REQUIRE_VTEST(var)                                  \
  const std::filesystem::path var = ::edgeclip::test::vtest_video(); \
  if (var.empty()) GTEST_SKIP() << "needs vtest.avi of opencv-doc: set EDGECLIP_VTEST"
