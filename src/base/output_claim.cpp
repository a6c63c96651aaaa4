#include "base/output_claim.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/io_error.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTemporaryEnding = ".edgeclip-tmp";

fs::path sibling(const fs::path& place, const char* ending) {
  constexpr std::size_t kLongestName = 255;
  std::string name = place.filename().string();
  if (name.size() + 20 > kLongestName) name = hash_text(name);
  return place.parent_path() / ("." + name + ending);
}

enum class Lock { kHeld, kBusy, kUnsupported };

Lock try_lock(int fd) {
  int failed;
  do failed = ::flock(fd, LOCK_EX | LOCK_NB);
  while (failed != 0 && errno == EINTR);
  if (failed == 0) return Lock::kHeld;
  return errno == EWOULDBLOCK ? Lock::kBusy : Lock::kUnsupported;
}

/// Whether path still names what fd is open on: it may have been renamed or removed before the lock was ours.
bool still_at(int fd, const fs::path& path) {
  struct stat open {
  }, named{};
  return ::fstat(fd, &open) == 0 && ::lstat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

/// Removes what a dead process left of place, while it is locked.
void sweep(const fs::path& path, const fs::path& place) {
  const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd.get() < 0 && errno == ENOENT) return;
  if (fd.get() < 0 && is_machine_error(errno)) throw_io_error(path, "cannot be opened", errno);
  if (fd.get() < 0 && errno == EACCES)
    invalid_input(
        "{}: another user's process may be writing it ({} is there); remove that if none does, or choose "
        "another output path",
        place.string(), path.string());
  if (fd.get() >= 0) {  // else a link: not one of ours
    const Lock lock = try_lock(fd.get());
    if (lock == Lock::kBusy)
      invalid_input(
          "{}: another process is writing it; wait until it has ended, or choose another output path",
          place.string());
    if (lock == Lock::kUnsupported)
      invalid_input(
          "{}: {} is there, of a process that writes or was killed (this disk has no locks that could tell); "
          "remove it if none does",
          place.string(), path.string());
    if (!still_at(fd.get(), path)) return;
  }
  std::error_code error;
  fs::remove_all(path, error);
  if (error)
    throw_io_error(path, "what an earlier command left cannot be removed", error.value(), "remove it");
}

}  // namespace

bool is_temporary(const fs::path& name) {
  return name.string().front() == '.' && name.extension() == kTemporaryEnding;
}

fs::path temporary_of(const fs::path& place) { return sibling(place, kTemporaryEnding); }
fs::path parked_of(const fs::path& place) { return sibling(place, ".edgeclip-old"); }
fs::path partial_of(const fs::path& place) { return sibling(place, ".edgeclip-partial"); }

fs::path create_parents(const fs::path& place) {
  const fs::path parent = place.parent_path();
  fs::path topmost;
  std::error_code error;
  for (fs::path p = parent; !fs::exists(p, error) && p.has_relative_path(); p = p.parent_path()) topmost = p;
  if (!topmost.empty()) fs::create_directories(parent, error);
  if (error) throw_output_error(place, error.value());
  return topmost;
}

void remove_created(const fs::path& place, const fs::path& topmost) noexcept {
  char parent[PATH_MAX];
  if (topmost.empty() || place.native().size() >= sizeof parent) return;
  std::strcpy(parent, place.c_str());
  for (char* end; (end = std::strrchr(parent, '/')) != nullptr && end != parent;) {
    *end = 0;
    if (::rmdir(parent) != 0 || topmost.native() == parent) return;
  }
}

OwnedFd lock_folder(const fs::path& path) {
  OwnedFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (fd.get() < 0) return fd;
  constexpr int kMostTries = 500;
  for (int i = 0; i < kMostTries; ++i) {
    const Lock lock = try_lock(fd.get());
    if (lock == Lock::kHeld) return fd;
    if (lock == Lock::kUnsupported) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return OwnedFd();
}

void recover_parked(const fs::path& place) {
  const fs::path parked = parked_of(place);
  struct stat info {};
  if (::lstat(parked.c_str(), &info) != 0) return;
  const OwnedFd lock = lock_folder(parked);  // a living writer holds it between its renames
  if (lock.get() >= 0 && !still_at(lock.get(), parked)) return;
  if (::lstat(place.c_str(), &info) != 0 && errno == ENOENT) {
    if (::rename(parked.c_str(), place.c_str()) != 0 && errno != ENOENT)
      throw_io_error(place, "an interrupted replacement cannot be undone", errno,
                     "rename the .edgeclip-old folder beside it by hand");
    return;
  }
  std::error_code error;
  fs::remove_all(parked, error);
}

OwnedFd claim_output(const fs::path& place, EntryKind kind) {
  const fs::path temporary = temporary_of(place);
  constexpr int kMostTries = 1000;  // others may sweep and claim at the same moment
  for (int i = 0; i < kMostTries; ++i) {
    sweep(temporary, place);
    int fd = -1;
    if (kind == EntryKind::kFolder) {
      if (::mkdir(temporary.c_str(), 0777) != 0) {
        if (errno == EEXIST) continue;
        throw_output_error(place, errno);
      }
      fd = ::open(temporary.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
      if (fd < 0 && errno != ENOENT && errno != ENOTDIR) {
        const int reason = errno;
        ::rmdir(temporary.c_str());
        throw_output_error(place, reason);
      }
    } else {
      fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
      if (fd < 0 && errno != EEXIST) throw_output_error(place, errno);
    }
    if (fd < 0) continue;
    OwnedFd owned(fd);
    const Lock lock = try_lock(fd);
    if (lock == Lock::kUnsupported) return owned;
    if (lock == Lock::kHeld && still_at(fd, temporary)) return owned;
  }
  invalid_input(
      "{}: other processes are writing it; wait until they have ended, or choose another output path",
      place.string());
}

void sweep_leftovers(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_temporary(entry.path().filename())) found.push_back(entry.path());
  for (const fs::path& entry : found) sweep(entry, entry);
}

OutputClaim::OutputClaim(const fs::path& output)
    : place_(output_place(output)), temporary_(temporary_of(place_)) {
  created_ = create_parents(place_);
  try {
    fd_ = claim_output(place_, EntryKind::kFolder);
  } catch (...) {
    remove_created(place_, created_);
    throw;
  }
  unfinished_.announce(temporary_.c_str());
}

OutputClaim::~OutputClaim() {
  unfinished_.withdraw();
  ::rmdir(temporary_.c_str());  // under the lock
  fd_.reset();
  remove_created(place_, created_);
}

}  // namespace edgeclip
