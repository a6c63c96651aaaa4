#include "engine/cpu/divided_call.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

/// Work beyond which a thread is given several slices.
constexpr std::int64_t kLongSlice = 1 << 18;

}  // namespace

std::vector<Range> divided(std::int64_t n, std::int64_t work, int threads, std::int64_t unit,
                           std::int64_t most) {
  if (threads <= 1 || work <= kParallelElements) return {{0, n}};
  const std::int64_t units = (n + unit - 1) / unit,
                     each = std::clamp<std::int64_t>(work / (threads * kLongSlice), 1, most),
                     count = std::min(each * threads, units);
  std::vector<Range> ranges;
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < count; ++i) {  // the longer ones first
    const std::int64_t length = (units / count + (i < units % count ? 1 : 0)) * unit;
    ranges.push_back({begin, std::min(n, begin + length)});
    begin += length;
  }
  return ranges;
}

void DividedCall::add(OneDnnCall call, std::size_t scratchpad) {
  slices_.push_back({std::move(call), (scratchpad + 63) / 64 * 64, {}});
  lane_bytes_ = std::max(lane_bytes_, slices_.back().scratchpad);
  scratch_.reserve(scratch_bytes());
  if (!taken_) taken_ = std::make_unique<std::atomic<bool>[]>(static_cast<std::size_t>(executor_.threads()));
}

std::size_t DividedCall::lanes() const {
  return std::min(slices_.size(), static_cast<std::size_t>(executor_.threads()));
}

void DividedCall::bind(int argument, const dnnl::memory& memory) {
  slices_.back().call.bind(argument, memory);
}

std::size_t DividedCall::bind(int argument, const dnnl::memory::desc& desc, std::int64_t at) {
  Slice& slice = slices_.back();
  const auto bytes = static_cast<std::ptrdiff_t>(dnnl::memory::data_type_size(desc.data_type()));
  slice.arguments.push_back({slice.call.bind(argument, desc), static_cast<std::ptrdiff_t>(at) * bytes});
  data_.resize(std::max(data_.size(), slice.arguments.size()));
  return slice.arguments.size() - 1;
}

std::size_t DividedCall::bind_columns(int argument, const dnnl::memory::desc& desc, std::int64_t at,
                                      const Columns& columns) {
  const std::size_t slot = bind(argument, desc, at);
  Slice& slice = slices_.back();
  const auto size = static_cast<std::int64_t>(dnnl::memory::data_type_size(desc.data_type()));
  slice.arguments.back().columns = {columns.rows, columns.width * size, columns.pitch * size, columns.adds};
  lane_bytes_ = std::max(lane_bytes_, slice.scratchpad + (desc.get_size() + 63) / 64 * 64);
  scratch_.reserve(scratch_bytes());
  return slot;
}

std::size_t DividedCall::take_lane() {
  for (std::size_t lane = 0;; lane = (lane + 1) % lanes())
    if (!taken_[lane].load(std::memory_order_relaxed) &&
        !taken_[lane].exchange(true, std::memory_order_acquire))
      return lane;
}

namespace {

void copy_rows(std::byte* to, std::int64_t to_pitch, const std::byte* from, std::int64_t from_pitch,
               const DividedCall::Columns& columns) {
  for (std::int64_t r = 0; r < columns.rows; ++r)
    std::memcpy(to + r * to_pitch, from + r * from_pitch, static_cast<std::size_t>(columns.width));
}

}  // namespace

/// A scratchpad of a slice's own while it runs.
class DividedCall::Lane {
 public:
  explicit Lane(DividedCall& call) : call_(call), index_(call.lane_bytes_ == 0 ? 0 : call.take_lane()) {}
  ~Lane() {
    if (call_.lane_bytes_ != 0) call_.taken_[index_].store(false, std::memory_order_release);
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  std::byte* data() const { return call_.scratch_.data() + index_ * call_.lane_bytes_; }

 private:
  DividedCall& call_;
  const std::size_t index_;
};

void DividedCall::run_slice(Slice& slice, std::byte* scratchpad) {
  std::byte* const dense = scratchpad + slice.scratchpad;
  std::byte* there = nullptr;  // the columns' place
  Columns columns;
  for (std::size_t i = 0; i < slice.arguments.size(); ++i) {
    const Argument& argument = slice.arguments[i];
    const std::byte* const data = data_[i] + argument.at;
    slice.call.set(argument.index, argument.columns.rows == 0 ? data : dense);
    if (argument.columns.rows == 0) continue;
    there = const_cast<std::byte*>(data);  // set() is given what is read and what is written
    columns = argument.columns;
  }
  if (columns.adds) copy_rows(dense, columns.width, there, columns.pitch, columns);
  slice.call.run(scratchpad);
  if (there != nullptr) copy_rows(there, columns.pitch, dense, columns.width, columns);
}

void DividedCall::run() {
  if (slices_.size() == 1) return run_slice(slices_.front(), scratch_.data());
  executor_.run(static_cast<std::int64_t>(slices_.size()), [&](std::int64_t i) {
    const Lane lane(*this);
    run_slice(slices_[static_cast<std::size_t>(i)], lane.data());
  });
}

}  // namespace edgeclip::engine
