#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "base/flush.h"
#include "base/io_error.h"

namespace edgeclip {

namespace fs = std::filesystem;

AtomicFile::AtomicFile(const fs::path& path, Flush flush) : path_(path), flush_(flush) {
  require_writable(path_);
  const fs::file_type type = file_type_at(path_);
  if (type == fs::file_type::directory)
    invalid_input("{}: is a folder, a file is to be written there; choose another output path",
                  path_.string());
  direct_ = type != fs::file_type::not_found && type != fs::file_type::regular;
  if (direct_) {
    fd_ = OwnedFd(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd_.get() < 0) throw_output_error(path_, errno);
    return;
  }
  path_ = output_place(path_);
  temporary_ = temporary_of(path_);
  created_ = create_parents(path_);
  try {
    fd_ = claim_output(path_, EntryKind::kFile);
  } catch (...) {
    remove_created(path_, created_);
    throw;
  }
  unfinished_.announce(temporary_.c_str());
}

AtomicFile::~AtomicFile() {
  if (fd_.get() < 0 || direct_) return;
  unfinished_.withdraw();
  ::unlink(temporary_.c_str());  // under the lock
  fd_.reset();
  remove_created(path_, created_);
}

void AtomicFile::write(const void* data, std::size_t size) {
  EDGECLIP_CHECK(fd_.get() >= 0, "write after commit");
  flushed_ = false;
  const char* p = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd_.get(), p, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_output_error(path_, errno);
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

void AtomicFile::flush() {
  EDGECLIP_CHECK(fd_.get() >= 0, "flush after commit");
  if (!direct_ && ::fsync(fd_.get()) != 0 && errno != EINVAL) throw_output_error(path_, errno);
  flushed_ = true;
}

void AtomicFile::commit() {
  EDGECLIP_CHECK(fd_.get() >= 0, "commit twice");
  if (direct_) {
    fd_.reset();
    return;
  }
  if (flush_ == Flush::kWithFile && !flushed_) flush();
  unfinished_.withdraw();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_output_error(path_, errno);
  fd_.reset();
  if (flush_ == Flush::kWithFile) flush_parents(path_, created_);
}

}  // namespace edgeclip
