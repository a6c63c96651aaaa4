#include "support/support.h"

#include <stdlib.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"

namespace edgeclip::test {

namespace fs = std::filesystem;

TempDir::TempDir() {
  std::string pattern = (fs::temp_directory_path() / "edgeclip-test-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp " + pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code error;
  fs::remove_all(path_, error);
}

namespace {
fs::path below(const char* variable, const std::string& name) {
  const char* root = std::getenv(variable);
  if (!root || !*root || !fs::exists(fs::path(root) / name)) return {};
  return fs::path(root) / name;
}
}  // namespace

fs::path parity(const std::string& name) { return below("EDGECLIP_PARITY", name); }
fs::path data(const std::string& name) { return below("EDGECLIP_DATA", name); }

fs::path golden(const std::string& name) {
  const fs::path path = fs::path(EDGECLIP_SOURCE_DIR) / "tests/golden" / name;
  if (!fs::exists(path)) throw std::runtime_error("no golden " + path.string());
  return path;
}

std::string invalid_input_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const InvalidInput& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << "no InvalidInput was thrown";
  return {};
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace edgeclip::test
