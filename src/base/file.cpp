#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace edgeclip {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) invalid_input("{}: cannot be opened: {}", path.string(), std::strerror(errno));
  std::string text;
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) text.reserve(static_cast<std::size_t>(info.st_size));
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      ::close(fd);
      invalid_input("{}: cannot be read: {}", path.string(), std::strerror(error));
    }
    if (n == 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return text;
}

void require_file(const fs::path& path, const char* what) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) invalid_input("{}: {} not found", path.string(), what);
  if (fs::is_directory(status)) invalid_input("{}: {} must be a file, this is a folder", path.string(), what);
}

void require_directory(const fs::path& path, const char* what) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) invalid_input("{}: {} not found", path.string(), what);
  if (!fs::is_directory(status))
    invalid_input("{}: {} must be a folder, this is a file", path.string(), what);
}

bool lies_within(const fs::path& path, const fs::path& folder) {
  const fs::path inside =
      fs::weakly_canonical(fs::absolute(path)).lexically_relative(fs::weakly_canonical(fs::absolute(folder)));
  return !inside.empty() && *inside.begin() != "..";
}

void require_writable(const fs::path& path) {
  if (path.empty()) invalid_input("the output path is empty; name a file or folder");
  fs::path parent = fs::absolute(path).lexically_normal().parent_path();
  std::error_code error;
  while (!fs::exists(parent, error) && !error && parent.has_relative_path()) parent = parent.parent_path();
  if (error || !fs::is_directory(parent))
    invalid_input("{}: cannot be created: {}; choose another output path", path.string(),
                  error ? error.message() : parent.string() + " is not a folder");
  if (::access(parent.c_str(), W_OK) != 0)
    invalid_input("{}: cannot be created: {}; choose another output path", path.string(),
                  std::strerror(errno));
}

}  // namespace edgeclip
