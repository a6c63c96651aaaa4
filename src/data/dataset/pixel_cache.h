#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "data/image/image.h"

namespace edgeclip {

/// Decoded images kept in memory up to a limit; what no longer fits is decoded again.  Thread-safe.
class PixelCache {
 public:
  PixelCache(std::size_t images, std::int64_t bytes) : images_(images), left_(bytes) {}

  /// Null if image `index` is not kept.
  std::shared_ptr<const Image> find(std::size_t index) const {
    std::lock_guard lock(mutex_);
    return images_[index];
  }
  /// Keeps it if there is room and it is not kept yet.
  void offer(std::size_t index, const std::shared_ptr<const Image>& image) {
    const auto bytes = static_cast<std::int64_t>(image->rgb.size());
    std::lock_guard lock(mutex_);
    if (images_[index] || bytes > left_) return;
    left_ -= bytes;
    images_[index] = image;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Image>> images_;
  std::int64_t left_;
};

}  // namespace edgeclip
