#include "base/atomic_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

std::string temporary_name(const fs::path& path) {
  static std::atomic<int> counter{0};
  return fmt::format(".{}.tmp-{}-{}", path.filename().string(), ::getpid(), counter++);
}

[[noreturn]] void output_failed(const fs::path& path, int error) {
  invalid_input("{}: cannot be written: {}; {}", path.string(), std::strerror(error),
                error == ENOSPC ? "free space or choose another output path" : "choose another output path");
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  require_writable(path_);
  if (fs::is_directory(path_))
    invalid_input("{}: is a folder, a file is to be written there; choose another output path",
                  path_.string());
  temporary_ = path_.parent_path() / temporary_name(path_);
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) output_failed(path_, errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(const void* data, std::size_t size) {
  EDGECLIP_CHECK(fd_ >= 0, "write after commit");
  const char* p = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd_, p, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) output_failed(path_, errno);
    p += n;
    size -= static_cast<std::size_t>(n);
    offset_ += static_cast<std::size_t>(n);
  }
}

void AtomicFile::pad_to(std::size_t alignment) {
  static constexpr char kZeros[4096] = {};
  std::size_t missing = (alignment - offset_ % alignment) % alignment;
  while (missing > 0) {
    const std::size_t n = std::min(missing, sizeof kZeros);
    write(kZeros, n);
    missing -= n;
  }
}

void AtomicFile::commit() {
  EDGECLIP_CHECK(fd_ >= 0, "commit twice");
  const bool failed = ::fsync(fd_) != 0 && errno != EINVAL;  // EINVAL: a special file that cannot be synced
  const int error = errno;
  ::close(fd_);
  fd_ = -1;
  if (failed || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = failed ? error : errno;
    ::unlink(temporary_.c_str());
    output_failed(path_, reason);
  }
}

AtomicDirectory::AtomicDirectory(fs::path path, std::string_view marker) : path_(std::move(path)) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // "out/"
  require_writable(path_);
  if (fs::exists(path_)) {
    if (!fs::is_directory(path_))
      invalid_input("{}: is a file, a folder is to be written there; choose another output path",
                    path_.string());
    if (!fs::is_empty(path_) && !fs::exists(path_ / marker))
      invalid_input("{}: holds other files (no {}), so it is not replaced; choose another output path",
                    path_.string(), marker);
  }
  work_ = path_.parent_path() / temporary_name(path_);
  std::error_code error;
  fs::remove_all(work_, error);
  fs::create_directory(work_, error);
  if (error) output_failed(path_, error.value());
}

AtomicDirectory::~AtomicDirectory() {
  if (!committed_) {
    std::error_code error;
    fs::remove_all(work_, error);
  }
}

void AtomicDirectory::commit() {
  std::error_code error;
  const fs::path old = path_.parent_path() / (temporary_name(path_) + "-old");
  const bool replace = fs::exists(path_);
  if (replace) fs::rename(path_, old, error);
  if (!error) fs::rename(work_, path_, error);
  if (error) {
    const int reason = error.value();
    if (replace && !fs::exists(path_)) fs::rename(old, path_, error);
    output_failed(path_, reason);
  }
  committed_ = true;
  if (replace) fs::remove_all(old, error);
}

}  // namespace edgeclip
