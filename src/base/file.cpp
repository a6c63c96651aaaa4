#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/error.h"
#include "base/io_error.h"
#include "base/output_claim.h"
#include "base/signals.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr int kMostWaitSeconds = 30;

/// Until there is something to read, or an end.
void wait_for_data(int fd, const fs::path& path) {
  for (int waited = 0; waited < 10 * kMostWaitSeconds; ++waited) {
    throw_if_interrupted();
    pollfd poll_fd{fd, POLLIN, 0};
    if (::poll(&poll_fd, 1, 100) != 0) return;
  }
  invalid_input("{}: nothing came from it for {} s; give a file, or start what writes to it first",
                path.string(), kMostWaitSeconds);
}

/// Nothing if the file was replaced on a network disk, unless this is the last try.
std::optional<std::string> try_to_read(const fs::path& path, std::int64_t most_bytes, bool last) {
  // Non-blocking: opening a pipe would wait for a writer for ever.
  const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0 && errno == ESTALE && !last) return std::nullopt;
  if (file.get() < 0) throw_io_error(path, "cannot be opened", errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw_io_error(path, "cannot be read", errno);
  if (S_ISBLK(info.st_mode)) invalid_input("{}: is a disk, not a file", path.string());
  const bool regular = S_ISREG(info.st_mode);
  const auto too_long = [&] {
    invalid_input("{}: is longer than {} MiB, so it is not read; it is not what is needed here",
                  path.string(), most_bytes >> 20);
  };
  std::string text;
  if (regular) {
    if (info.st_size > most_bytes) too_long();
    text.reserve(static_cast<std::size_t>(info.st_size));
  }
  char buffer[1 << 16];
  for (;;) {
    if (!regular) wait_for_data(file.get(), path);
    const ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || (errno == EAGAIN && !regular))) continue;
    if (n < 0 && errno == ESTALE && !last) return std::nullopt;
    if (n < 0) throw_io_error(path, "cannot be read", errno);
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
    if (static_cast<std::int64_t>(text.size()) > most_bytes) too_long();
  }
}

}  // namespace

std::string read_file(const fs::path& path, std::int64_t most_bytes) {
  if (auto text = try_to_read(path, most_bytes, /*last=*/false)) return std::move(*text);
  return *try_to_read(path, most_bytes, /*last=*/true);
}

void require_file(const fs::path& path, const char* what) {
  const fs::file_type type = file_type_at(path);
  if (type == fs::file_type::not_found) invalid_input("{}: {} not found", path.string(), what);
  if (type == fs::file_type::directory)
    invalid_input("{}: {} must be a file, this is a folder", path.string(), what);
}

void require_directory(const fs::path& path, const char* what) {
  fs::file_type type = file_type_at(path);
  if (type == fs::file_type::not_found) {
    recover_parked(output_place(path));
    type = file_type_at(path);
  }
  if (type == fs::file_type::not_found) invalid_input("{}: {} not found", path.string(), what);
  if (type != fs::file_type::directory)
    invalid_input("{}: {} must be a folder, this is a file", path.string(), what);
}

bool lies_within(const fs::path& path, const fs::path& folder) {
  const fs::path inside =
      fs::weakly_canonical(fs::absolute(path)).lexically_relative(fs::weakly_canonical(fs::absolute(folder)));
  return !inside.empty() && *inside.begin() != "..";
}

bool stays_below_root(const std::string& text) {
  const fs::path path = fs::path(text).lexically_normal();
  return !path.empty() && !path.is_absolute() && *path.begin() != "..";
}

void require_writable(const fs::path& path) {
  if (path.empty()) invalid_input("the output path is empty; name a file or folder");
  fs::path parent = fs::absolute(path).lexically_normal().parent_path();
  fs::file_type type = file_type_at(parent);
  while (type == fs::file_type::not_found && parent.has_relative_path()) {
    parent = parent.parent_path();
    type = file_type_at(parent);
  }
  if (type != fs::file_type::directory)
    invalid_input("{}: cannot be created: {} is not a folder; choose another output path", path.string(),
                  parent.string());
  if (::access(parent.c_str(), W_OK) != 0)
    throw_io_error(path, "cannot be created", errno, "choose another output path");
}

fs::path output_place(const fs::path& path) {
  fs::path place = fs::absolute(path).lexically_normal();
  if (!place.has_filename()) place = place.parent_path();  // "out/"
  std::error_code error;
  const fs::path followed = fs::weakly_canonical(place, error);
  if (error && is_machine_error(error.value())) throw_io_error(path, "cannot be looked at", error.value());
  return error ? place : followed;
}

}  // namespace edgeclip
