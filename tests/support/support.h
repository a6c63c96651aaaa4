#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

namespace edgeclip::test {

/// A folder of its own that goes with the object.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// $EDGECLIP_PARITY / name, or empty if the variable is not set or the file is not there.
std::filesystem::path parity(const std::string& name);
/// The same below $EDGECLIP_DATA.
std::filesystem::path data(const std::string& name);
/// tests/golden/name of the source tree; must exist.
std::filesystem::path golden(const std::string& name);

/// The message of the InvalidInput that body throws; fails the test if it throws none, or one of several
/// lines.
std::string invalid_input_of(const std::function<void()>& body);

void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace edgeclip::test

/// In a test whose suite name ends with "Golden": sets `var` to the path below $EDGECLIP_PARITY or skips
/// visibly.
#define EDGECLIP_REQUIRE_PARITY(var, name)                          \
  const std::filesystem::path var = ::edgeclip::test::parity(name); \
  if (var.empty()) GTEST_SKIP() << "needs " << name << " below $EDGECLIP_PARITY"

#define EDGECLIP_REQUIRE_DATA(var, name)                          \
  const std::filesystem::path var = ::edgeclip::test::data(name); \
  if (var.empty()) GTEST_SKIP() << "needs " << name << " below $EDGECLIP_DATA"
