#include "engine/runtime/memory_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/error.h"
#include "engine/runtime/memory_planner.h"

namespace edgeclip::engine {

namespace {

constexpr std::int64_t kHugePage = std::int64_t{2} << 20;

std::int64_t mebibytes(std::int64_t bytes) { return (bytes + kMebibyte - 1) / kMebibyte; }

}  // namespace

MemoryPool::Block::Block(Block&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

MemoryPool::Block& MemoryPool::Block::operator=(Block&& other) noexcept {
  release();
  pool_ = std::exchange(other.pool_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void MemoryPool::Block::release() {
  if (pool_ == nullptr) return;
  std::free(data_);
  pool_->give_back(bytes_);
  pool_ = nullptr;
  data_ = nullptr;
  bytes_ = 0;
}

MemoryPool::Block MemoryPool::allocate(std::int64_t bytes) {
  {
    std::lock_guard lock(mutex_);
    if (limit_ > 0 && bytes > limit_ - used_)
      invalid_input("{} MiB more are needed, {} of the memory pool's {} MiB are in use by other contexts; use "
                    "a larger pool or fewer at once",
                    mebibytes(bytes), mebibytes(used_), mebibytes(limit_));
    used_ += bytes;
    peak_ = std::max(peak_, used_);
  }
  const bool large = bytes >= 4 * kHugePage;
  const auto alignment = static_cast<std::size_t>(large ? kHugePage : kArenaAlignment);
  const auto size = (static_cast<std::size_t>(bytes) + alignment - 1) / alignment * alignment;
  Block block;
  block.data_ = static_cast<std::byte*>(std::aligned_alloc(alignment, size));
  if (block.data_ == nullptr) {
    give_back(bytes);
    throw std::bad_alloc();
  }
  // Strided walks through large activations wait for the tables of small pages; what the kernel makes of it
  // is no matter of correctness.
  if (large) ::madvise(block.data_, size, MADV_HUGEPAGE);
  block.pool_ = this;
  block.bytes_ = bytes;
  return block;
}

void MemoryPool::give_back(std::int64_t bytes) {
  std::lock_guard lock(mutex_);
  used_ -= bytes;
}

std::int64_t MemoryPool::used() const {
  std::lock_guard lock(mutex_);
  return used_;
}

std::int64_t MemoryPool::peak() const {
  std::lock_guard lock(mutex_);
  return peak_;
}

}  // namespace edgeclip::engine
