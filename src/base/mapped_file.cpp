#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/io_error.h"
#include "base/owned_fd.h"

namespace edgeclip {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const OwnedFd fd(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe would wait for a writer
  if (fd.get() < 0) throw_io_error(path, "cannot be opened", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw_io_error(path, "cannot be read", errno);
  if (!S_ISREG(info.st_mode)) invalid_input("{}: is not a regular file", path.string());
  const std::size_t size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return;
  void* p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (p == MAP_FAILED) throw_io_error(path, "cannot be mapped", errno);
  data_ = std::shared_ptr<const std::byte>(static_cast<const std::byte*>(p), [size](const std::byte* q) {
    ::munmap(const_cast<std::byte*>(q), size);
  });
  size_ = size;
}

}  // namespace edgeclip
