#pragma once

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/log.h"

namespace edgeclip::fuzz {

/// The input as a file in memory, for readers that take a path.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, data, size) != static_cast<ssize_t>(size)) ::abort();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  const int fd_;
};

/// Bad input may end in InvalidInput and in nothing else.
inline void reads(const std::function<void()>& body) {
  static const bool quiet = (init_logging(true), spdlog::set_level(spdlog::level::off), true);
  static_cast<void>(quiet);
  try {
    body();
  } catch (const InvalidInput& error) {
    if (std::string(error.what()).empty()) ::abort();
  }
}

}  // namespace edgeclip::fuzz
