#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

namespace edgeclip::engine {

/// What the arenas of several contexts, of one session or of many, may hold together.  Thread-safe.  Must
/// outlive its blocks.
class MemoryPool {
 public:
  /// limit: bytes; 0: none.
  explicit MemoryPool(std::int64_t limit = 0) : limit_(limit) {}

  /// Uninitialized memory, aligned to kArenaAlignment; given back when it goes.
  class Block {
   public:
    Block() = default;
    Block(Block&& other) noexcept;
    Block& operator=(Block&& other) noexcept;
    ~Block() { release(); }
    std::byte* data() const { return data_; }
    std::int64_t bytes() const { return bytes_; }
    void release();

   private:
    friend class MemoryPool;
    MemoryPool* pool_ = nullptr;
    std::byte* data_ = nullptr;
    std::int64_t bytes_ = 0;
  };

  /// Throws InvalidInput if the limit would be exceeded, std::bad_alloc if there is no memory.
  Block allocate(std::int64_t bytes);

  std::int64_t used() const;
  std::int64_t peak() const;  ///< the most that was used at once

 private:
  void give_back(std::int64_t bytes);

  const std::int64_t limit_;
  mutable std::mutex mutex_;
  std::int64_t used_ = 0, peak_ = 0;
};

}  // namespace edgeclip::engine
