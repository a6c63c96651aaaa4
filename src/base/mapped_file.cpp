#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <mutex>

#include "base/io_error.h"
#include "base/owned_fd.h"

namespace edgeclip {

namespace {

/// Mappings that live: where each starts, and its size.
struct Mappings {
  std::mutex mutex;
  std::map<const std::byte*, std::size_t> sizes;

  static Mappings& all() {
    static auto* const mappings = new Mappings;  // outlives whatever is unmapped at the end
    return *mappings;
  }
};

}  // namespace

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
    {
      std::lock_guard lock(Mappings::all().mutex);
      Mappings::all().sizes.erase(q);
    }
    ::munmap(const_cast<std::byte*>(q), size);
  });
  size_ = size;
  std::lock_guard lock(Mappings::all().mutex);
  Mappings::all().sizes[data_.get()] = size;
}

void drop_mapped_pages(const std::byte* data, std::size_t size) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t first = (start + page - 1) / page * page, last = (start + size) / page * page;
  if (first >= last) return;
  Mappings& mappings = Mappings::all();
  std::lock_guard lock(mappings.mutex);  // nothing is unmapped meanwhile
  auto it = mappings.sizes.upper_bound(data);
  if (it == mappings.sizes.begin()) return;
  --it;
  if (start + size > reinterpret_cast<std::uintptr_t>(it->first) + it->second) return;
  // Read-only and private: what comes back is the file's.
  ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace edgeclip
