#include "train/cpu_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

namespace edgeclip {

namespace {

constexpr std::size_t kLarge = std::size_t{1} << 20, kHugePage = std::size_t{2} << 20, kPage = std::size_t{4} << 10,
                      kWasteAllowed = 16;  ///< huge pages may waste one part in so many of a block

/// Large blocks, used and idle.  Thread-safe.
class BlockCache {
 public:
  void* take(std::size_t bytes) {
    const std::size_t size = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    const std::lock_guard lock(mutex_);
    if (const auto found = idle_.lower_bound(size); found != idle_.end() && found->first <= size + size / 3) {
      const auto idle = found->second;
      Block block = *idle;
      idle_.erase(found);
      by_age_.erase(idle);
      idle_bytes_ -= block.resident;
      block.resident = std::max(block.resident, whole_pages(bytes));
      return use(block);
    }
    const std::size_t huge = huge_part(size, bytes);
    void* const data = map(size, huge);
    if (data == nullptr) return nullptr;
    return use({data, size, std::max(huge, whole_pages(bytes))});
  }

  /// False: no block of ours.
  bool give_back(void* data) {
    const std::lock_guard lock(mutex_);
    const auto found = used_.find(data);
    if (found == used_.end()) return false;
    const Block block = found->second;
    used_.erase(found);
    used_bytes_ -= block.resident;
    idle_bytes_ += block.resident;
    idle_.emplace(block.size, by_age_.insert(by_age_.end(), block));
    drop_beyond_what_is_allowed();
    return true;
  }

  void allow_idle(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    allowed_ = bytes;
    drop_beyond_what_is_allowed();
  }

  void release() {
    const std::lock_guard lock(mutex_);
    while (!by_age_.empty()) drop_oldest();
    most_used_ = used_bytes_;
  }

  TensorMemory memory() {
    const std::lock_guard lock(mutex_);
    return {static_cast<std::int64_t>(used_bytes_), static_cast<std::int64_t>(idle_bytes_)};
  }

 private:
  struct Block {
    void* data;
    std::size_t size;      ///< of the addresses
    std::size_t resident;  ///< at most: what has been asked for, and the rest of a huge page
  };
  using Age = std::list<Block>;

  static std::size_t whole_pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

  /// How much of a block comes in huge pages: all, or as many as `bytes` fill, where the rest of the last one would be memory that
  /// nobody uses. A fifth of what a training of all weights took was such.
  static std::size_t huge_part(std::size_t size, std::size_t bytes) {
    return size - bytes <= bytes / kWasteAllowed ? size : bytes / kHugePage * kHugePage;
  }

  void* use(const Block& block) {
    used_.emplace(block.data, block);
    used_bytes_ += block.resident;
    most_used_ = std::max(most_used_, used_bytes_);
    return block.data;
  }

  /// Aligned to huge pages, or null.
  void* map(std::size_t size, std::size_t huge) {
    const auto get = [&]() -> void* {
      void* const all =
          ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      return all == MAP_FAILED ? nullptr : all;
    };
    void* all = get();
    if (all == nullptr) {
      while (!by_age_.empty()) drop_oldest();
      if ((all = get()) == nullptr) return nullptr;
    }
    const auto begin = reinterpret_cast<std::uintptr_t>(all);
    const std::uintptr_t aligned = (begin + kHugePage - 1) / kHugePage * kHugePage;
    if (aligned > begin) ::munmap(all, aligned - begin);
    ::munmap(reinterpret_cast<void*>(aligned + size), begin + kHugePage - aligned);
    auto* const data = reinterpret_cast<void*>(aligned);
    // Advice: a system without them gives small ones.
    if (huge > 0) ::madvise(data, huge, MADV_HUGEPAGE);
    if (huge < size) ::madvise(static_cast<std::byte*>(data) + huge, size - huge, MADV_NOHUGEPAGE);
    return data;
  }

  void drop_beyond_what_is_allowed() {
    while (idle_bytes_ > allowed_ + most_used_ - used_bytes_) drop_oldest();
  }

  void drop_oldest() {
    const Block block = by_age_.front();
    const auto [first, last] = idle_.equal_range(block.size);
    idle_.erase(std::find_if(first, last, [&](const auto& item) { return item.second == by_age_.begin(); }));
    by_age_.pop_front();
    idle_bytes_ -= block.resident;
    ::munmap(block.data, block.size);
  }

  std::mutex mutex_;
  std::unordered_map<void*, Block> used_;
  Age by_age_;                                    ///< idle, the longest first
  std::multimap<std::size_t, Age::iterator> idle_;
  std::size_t used_bytes_ = 0, idle_bytes_ = 0, most_used_ = 0, allowed_ = std::size_t{256} << 20;
};

/// Lives as long as the process: tensors may outlive every other object.
BlockCache& cache() {
  static BlockCache* const blocks = new BlockCache;
  return *blocks;
}

void free_block(void* data) {
  const bool maybe_ours = reinterpret_cast<std::uintptr_t>(data) % kHugePage == 0;
  if (!maybe_ours || !cache().give_back(data)) c10::free_cpu(data);
}

class KeepingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) const override {
    void* data = bytes >= kLarge ? cache().take(bytes) : nullptr;
    if (data == nullptr) data = c10::alloc_cpu(bytes);  // which also says that there is no memory
    return {data, data, &free_block, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_block; }
};

}  // namespace

void keep_tensor_memory() {
#if !defined(__SANITIZE_ADDRESS__)  // which watches the ends of blocks that malloc gives
  static KeepingAllocator* const allocator = [] {
    auto* const made = new KeepingAllocator;
    c10::SetCPUAllocator(made, /*priority=*/1);
    return made;
  }();
  static_cast<void>(allocator);
#endif
}

void allow_idle_tensor_memory(std::int64_t bytes) { cache().allow_idle(static_cast<std::size_t>(bytes)); }

void release_tensor_memory() { cache().release(); }

TensorMemory tensor_memory() { return cache().memory(); }

}  // namespace edgeclip
