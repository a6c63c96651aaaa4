#include "base/atomic_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/artifact.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

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

/// flush: ::fsync for the names in a folder, ::syncfs for everything below it (and beside it).
void flush_folder(const fs::path& folder, const fs::path& output, int (*flush)(int)) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = fd >= 0 && (flush(fd) == 0 || errno == EINVAL);
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!flushed) output_failed(output, error);
}

/// Creates the folders above path that are missing; returns the topmost of them, or "".
fs::path create_parents(const fs::path& path) {
  const fs::path parent = fs::absolute(path).lexically_normal().parent_path();
  fs::path topmost;
  std::error_code error;
  for (fs::path p = parent; !fs::exists(p, error) && p.has_relative_path(); p = p.parent_path()) topmost = p;
  if (!topmost.empty()) fs::create_directories(parent, error);
  if (error) output_failed(path, error.value());
  return topmost;
}

/// Undoes create_parents(), as far as the folders are empty.
void remove_created(const fs::path& path, const fs::path& topmost) {
  if (topmost.empty()) return;
  for (fs::path p = fs::absolute(path).lexically_normal().parent_path();; p = p.parent_path())
    if (::rmdir(p.c_str()) != 0 || p == topmost) return;
}

}  // namespace

AtomicFile::AtomicFile(fs::path path, Flush flush) : path_(std::move(path)), flush_(flush) {
  require_writable(path_);
  std::error_code error;
  if (fs::is_symlink(path_, error))
    if (const fs::path target = fs::weakly_canonical(path_, error); !error) path_ = target;
  const fs::file_status status = fs::status(path_, error);
  if (fs::is_directory(status))
    invalid_input("{}: is a folder, a file is to be written there; choose another output path",
                  path_.string());
  direct_ = fs::exists(status) && !fs::is_regular_file(status);
  if (direct_) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) output_failed(path_, errno);
    return;
  }
  temporary_ = path_.parent_path() / temporary_name(path_);
  created_ = create_parents(path_);
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) {
    const int reason = errno;
    remove_created(path_, created_);
    output_failed(path_, reason);
  }
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    if (direct_) return;
    ::unlink(temporary_.c_str());
    remove_created(path_, created_);
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
  // EINVAL: a special file that cannot be flushed
  const bool failed = !direct_ && flush_ == Flush::kWithFile && ::fsync(fd_) != 0 && errno != EINVAL;
  const int error = errno;
  ::close(fd_);
  fd_ = -1;
  if (direct_) return;
  if (failed || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = failed ? error : errno;
    ::unlink(temporary_.c_str());
    remove_created(path_, created_);
    output_failed(path_, reason);
  }
}

namespace {

/// The first entry of an artifact's folder that its head does not account for; "" if there is none.
std::string foreign_entry(const fs::path& folder, std::string_view marker) {
  if (fs::is_empty(folder)) return {};
  std::set<std::string> known = {std::string(marker), "tokenizer", "crops", "images", "invalid.csv"};
  const Json head = read_json(folder / marker);
  if (head.contains("files") && head["files"].is_object())
    for (const auto& item : head["files"].items()) known.insert(fs::path(item.key()).begin()->string());
  for (const auto& entry : fs::directory_iterator(folder))
    if (const std::string name = entry.path().filename().string(); known.count(name) == 0) return name;
  return {};
}

}  // namespace

void require_replaceable(const fs::path& path, std::string_view marker,
                         std::initializer_list<fs::path> inputs) {
  require_writable(path);
  if (!fs::exists(path)) return;
  if (!fs::is_directory(path))
    invalid_input("{}: is a file, a folder is to be written there; choose another output path",
                  path.string());
  if (!fs::is_empty(path) && !is_artifact_head(path / marker))
    invalid_input(
        "{}: holds other files (no {} of edgeclip), so it is not replaced; choose another output path",
        path.string(), marker);
  const fs::path place = fs::canonical(path);
  struct stat here {
  }, parent{};
  ::stat(place.c_str(), &here);
  ::stat(place.parent_path().c_str(), &parent);
  if (place == fs::current_path() || here.st_dev != parent.st_dev)
    invalid_input(
        "{}: is the current folder or a mounted disk, which cannot be replaced; name a folder below",
        path.string());
  for (const fs::path& input : inputs)
    if (!input.empty() && lies_within(input, place))
      invalid_input("{}: holds {}, which would go with it; choose another output path", path.string(),
                    input.string());
  if (const std::string foreign = foreign_entry(path, marker); !foreign.empty())
    invalid_input(
        "{}: holds \"{}\", which edgeclip did not write, so it is not replaced; choose another output path",
        path.string(), foreign);
}

AtomicDirectory::AtomicDirectory(fs::path path, std::string_view marker,
                                 std::initializer_list<fs::path> inputs)
    : path_(fs::weakly_canonical(fs::absolute(path))) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // "out/"
  require_replaceable(path, marker, inputs);
  work_ = path_.parent_path() / temporary_name(path_);
  created_ = create_parents(path_);
  std::error_code error;
  fs::remove_all(work_, error);
  fs::create_directory(work_, error);
  if (error) {
    remove_created(path_, created_);
    output_failed(path_, error.value());
  }
}

AtomicDirectory::~AtomicDirectory() {
  if (!committed_) {
    std::error_code error;
    fs::remove_all(work_, error);
    remove_created(path_, created_);
  }
}

void AtomicDirectory::commit(Flush flush) {
  if (flush == Flush::kWithFolder) flush_folder(work_, path_, ::syncfs);  // one call for all the files in it
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
  flush_folder(path_.parent_path(), path_, ::fsync);  // the rename itself
  if (replace) fs::remove_all(old, error);
}

}  // namespace edgeclip
