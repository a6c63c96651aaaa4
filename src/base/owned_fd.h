#pragma once

#include <array>

namespace edgeclip {

/// An open descriptor that is closed with it; closing gives its lock back.  Moves only.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd() { reset(); }
  int get() const { return fd_; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

/// A few descriptors held back, so that a clean-up can still list folders when the process has none left.
class DescriptorReserve {
 public:
  /// Takes what there is, at most kCount.
  DescriptorReserve();
  /// Gives them to whoever opens next.
  void release();

 private:
  /// Removing a folder takes one per level; artifacts are two levels deep.
  static constexpr std::size_t kCount = 3;
  std::array<OwnedFd, kCount> held_;
};

}  // namespace edgeclip
