#include "base/flush.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/io_error.h"
#include "base/output_claim.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

void flush(const fs::path& path, const fs::path& output, int (*how)(int)) {
  const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  // EINVAL: what it lies on cannot be flushed; EACCES: a file of others that was carried over
  if (fd.get() < 0 ? errno == EACCES : how(fd.get()) == 0 || errno == EINVAL) return;
  throw_io_error(output, "cannot be flushed to the disk", errno, "choose another output path");
}

}  // namespace

void flush_parents(const fs::path& place, const fs::path& topmost) {
  for (fs::path p = place;; p = p.parent_path()) {
    flush(p.parent_path(), place, ::fsync);
    if (topmost.empty() || p == topmost) return;
  }
}

void flush_tree(const fs::path& folder, const fs::path& output) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_symlink() && (entry.is_regular_file() || entry.is_directory()))
      flush(entry.path(), output, ::fsync);
  flush(folder, output, ::fsync);
}

void flush_disk_of(const fs::path& folder, const fs::path& output) { flush(folder, output, ::syncfs); }

}  // namespace edgeclip
