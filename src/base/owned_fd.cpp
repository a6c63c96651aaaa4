#include "base/owned_fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace edgeclip {

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int OwnedFd::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

void OwnedFd::reset() {
  if (fd_ >= 0) ::close(release());
}

DescriptorReserve::DescriptorReserve() {
  for (OwnedFd& fd : held_) fd = OwnedFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

void DescriptorReserve::release() {
  for (OwnedFd& fd : held_) fd.reset();
}

}  // namespace edgeclip
