#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/scan/scan.h"

namespace edgeclip::kernels {

/// The K best of what one thread saw for one query: a heap whose top is the worst one kept.  Items come in any
/// order.
class Selection {
 public:
  Selection(std::int64_t k, float threshold) : k_(static_cast<std::size_t>(k)), floor_(threshold) {}

  /// What a score must reach to be looked at: below it nothing changes the K best.
  float floor() const { return floor_; }

  void offer(const ScanHit& hit) {
    if (!(hit.score >= floor_)) return;  // NaN too
    if (heap_.size() == k_) {
      if (!better(hit, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.back() = hit;
    } else {
      heap_.push_back(hit);
    }
    std::push_heap(heap_.begin(), heap_.end(), better);
    if (heap_.size() == k_) floor_ = heap_.front().score;
  }

  const std::vector<ScanHit>& hits() const { return heap_; }
  /// Best first; leaves nothing.
  std::vector<ScanHit> sorted() {
    std::sort_heap(heap_.begin(), heap_.end(), better);
    return std::move(heap_);
  }

 private:
  std::size_t k_;
  float floor_;
  std::vector<ScanHit> heap_;
};

}  // namespace edgeclip::kernels
