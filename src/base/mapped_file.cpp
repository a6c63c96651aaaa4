#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/io_error.h"

namespace edgeclip {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe would wait for a writer
  if (fd < 0) throw_io_error(path, "cannot be opened", errno);
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    ::close(fd);
    throw_io_error(path, "cannot be read", error);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    invalid_input("{}: is not a regular file", path.string());
  }
  const std::size_t size = static_cast<std::size_t>(info.st_size);
  if (size > 0) {
    void* p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    ::close(fd);
    if (p == MAP_FAILED) throw_io_error(path, "cannot be mapped", error);
    data_ = std::shared_ptr<const std::byte>(static_cast<const std::byte*>(p), [size](const std::byte* q) {
      ::munmap(const_cast<std::byte*>(q), size);
    });
    size_ = size;
  } else {
    ::close(fd);
  }
}

}  // namespace edgeclip
