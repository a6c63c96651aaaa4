#include "base/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace edgeclip {

namespace {

/// Deeper than any artifact; what is left below is left.
constexpr int kMostLevels = 64;

bool remove_at(int folder, const char* name, int level) noexcept;

/// Removes what it can of an open folder's entries; whether any went.
bool remove_entries(int folder, int level) noexcept {
  alignas(dirent64) char buffer[4096];  // readdir() would ask for memory
  bool any = false;
  ::lseek(folder, 0, SEEK_SET);
  for (;;) {
    const long size = ::syscall(SYS_getdents64, folder, buffer, sizeof buffer);
    if (size <= 0) return any;
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      at += entry->d_reclen;
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
        any |= remove_at(folder, entry->d_name, level);
    }
  }
}

/// True if nothing of that name is there any more.
bool remove_at(int folder, const char* name, int level) noexcept {
  if (::unlinkat(folder, name, 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR && errno != EPERM) return false;
  const auto remove_empty = [&] { return ::unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT; };
  if (remove_empty()) return true;
  if (level >= kMostLevels) return false;
  const int fd = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  // Some file systems leave entries out of a listing from which others are removed meanwhile.
  while (remove_entries(fd, level + 1) && !remove_empty()) {
  }
  ::close(fd);
  return remove_empty();
}

}  // namespace

bool remove_tree(const char* path) noexcept { return remove_at(AT_FDCWD, path, 0); }

}  // namespace edgeclip
