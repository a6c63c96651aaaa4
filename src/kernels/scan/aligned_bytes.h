#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeclip::kernels {

/// Bytes at the beginning of a cache line.
class AlignedBytes {
 public:
  /// Zeros.
  void resize(std::int64_t size) {
    constexpr std::size_t kLine = 64;
    bytes_.assign(static_cast<std::size_t>(size) + kLine, std::byte{0});
    at_ = bytes_.data() + (kLine - reinterpret_cast<std::uintptr_t>(bytes_.data()) % kLine) % kLine;
    size_ = size;
  }
  std::int64_t size() const { return size_; }
  std::byte* data() { return at_; }
  const std::byte* data() const { return at_; }
  AlignedBytes() = default;
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;

 private:
  std::vector<std::byte> bytes_;
  std::byte* at_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace edgeclip::kernels
