#include "engine/runtime/memory_planner.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace edgeclip::engine {

namespace {

std::int64_t align_up(std::int64_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

}  // namespace

MemoryPlan plan_memory(const std::vector<BufferLife>& buffers) {
  MemoryPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  std::vector<std::size_t> by_size(buffers.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  std::vector<std::size_t> placed;  // ascending by offset
  for (const std::size_t id : by_size) {
    const BufferLife& buffer = buffers[id];
    EDGECLIP_CHECK(buffer.bytes >= 0 && buffer.first <= buffer.last, "buffer {}", id);
    if (buffer.bytes == 0) continue;
    const std::int64_t bytes = align_up(buffer.bytes);
    std::int64_t best = -1, best_gap = std::numeric_limits<std::int64_t>::max(), end = 0;
    for (const std::size_t other : placed) {
      if (buffers[other].last < buffer.first || buffers[other].first > buffer.last) continue;
      const std::int64_t gap = plan.offsets[other] - end;
      if (gap >= bytes && gap < best_gap) {
        best = end;
        best_gap = gap;
      }
      end = std::max(end, plan.offsets[other] + align_up(buffers[other].bytes));
    }
    const std::int64_t offset = best >= 0 ? best : end;
    plan.offsets[id] = offset;
    plan.total = std::max(plan.total, offset + bytes);
    const auto behind =
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](std::int64_t value, std::size_t p) { return value < plan.offsets[p]; });
    placed.insert(behind, id);
  }
  return plan;
}

}  // namespace edgeclip::engine
