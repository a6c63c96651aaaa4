#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/cpu/onednn.h"

namespace edgeclip::engine {

/// A stretch [begin, end) of a dimension.
struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t length() const { return end - begin; }
};

inline constexpr std::int64_t kMostSlicesOfThread = 4;

/// [0, n) in ranges of one or two lengths, a few for each thread where there is much to do: one that was held
/// up leaves the others something.  work: of all of them, as elements that are read or written (16
/// multiply-accumulates take as long as one).  Lengths are multiples of `unit`, but for the last.  most:
/// slices of one thread.
std::vector<Range> divided(std::int64_t n, std::int64_t work, int threads, std::int64_t unit = 1,
                           std::int64_t most = kMostSlicesOfThread);

/// What one element is worth in multiply-accumulates, and an exponential in elements, for divided().
inline constexpr std::int64_t kMacsOfElement = 16, kElementsOfExponential = 2;

/// The work of one primitive in slices, which threads take one by one: oneDNN itself runs in the thread that
/// calls it.  Slices of one form may share a primitive.  Not thread-safe; moved only before it runs.
class DividedCall {
 public:
  DividedCall(kernels::Executor& executor, Scratch& scratch) : executor_(executor), scratch_(scratch) {}
  explicit DividedCall(const BindRequest& request) : DividedCall(request.executor, request.scratch) {}

  /// A further slice; reserves a scratchpad for each thread.
  template <class PrimitiveDesc>
  void add(const dnnl::primitive& primitive, const PrimitiveDesc& pd) {
    add(OneDnnCall(primitive, pd, scratch_), pd.scratchpad_desc().get_size());
  }

  /// An argument of the slice that was added last, whose memory is known now (packed weights).
  void bind(int argument, const dnnl::memory& memory);
  /// An argument of that slice whose pointer set() gives before every run: the slice's is `at` elements
  /// behind it.  Returns its slot for set(), the same for all slices, which bind their arguments in one
  /// order.
  std::size_t bind(int argument, const dnnl::memory::desc& desc, std::int64_t at = 0);

  /// The same of columns of a matrix (rows, pitch) that oneDNN cannot write in place: the slice's result,
  /// dense in `desc`, is copied there from behind its scratchpad, and before that to it where `adds` to what
  /// is there.
  struct Columns {
    std::int64_t rows = 0, width = 0, pitch = 0;  ///< elements
    bool adds = false;
  };
  std::size_t bind_columns(int argument, const dnnl::memory::desc& desc, std::int64_t at,
                           const Columns& columns);

  void set(std::size_t slot, const std::byte* data) { data_[slot] = data; }
  void run();

  /// Bytes at the scratch's start that the slices' own scratchpads take.
  std::size_t scratch_bytes() const { return lanes() * lane_bytes_; }
  std::size_t slices() const { return slices_.size(); }
  /// Of the first slice.
  const std::string& implementation() const { return slices_.front().call.implementation(); }

 private:
  struct Argument {
    std::size_t index = 0;  ///< of the call
    std::ptrdiff_t at = 0;  ///< bytes
    Columns columns = {};   ///< in bytes; rows 0: bound directly
  };
  struct Slice {
    OneDnnCall call;
    std::size_t scratchpad = 0;  ///< bytes, a multiple of 64; columns lie behind it
    std::vector<Argument> arguments;
  };

  class Lane;

  void add(OneDnnCall call, std::size_t scratchpad);
  /// No more slices run at once than this.
  std::size_t lanes() const;
  std::size_t take_lane();
  void run_slice(Slice& slice, std::byte* scratchpad);

  kernels::Executor& executor_;
  Scratch& scratch_;
  std::vector<Slice> slices_;
  std::vector<const std::byte*> data_;  ///< by slot
  std::size_t lane_bytes_ = 0;
  std::unique_ptr<std::atomic<bool>[]> taken_;  ///< by lane
};

/// Makes a primitive for each length that the ranges have, and adds a slice for each of them.
/// describe(length): its primitive descriptor.  added(range, pd): binds arguments.
template <class Primitive, class Describe, class Added>
void add_ranges(DividedCall& call, const std::vector<Range>& ranges, const Describe& describe,
                const Added& added) {
  std::map<std::int64_t, std::pair<Primitive, decltype(describe(std::int64_t{}))>> made;
  for (const Range& range : ranges) {
    auto it = made.find(range.length());
    if (it == made.end()) {
      auto pd = describe(range.length());
      it = made.emplace(range.length(), std::pair(Primitive(pd), pd)).first;
    }
    call.add(it->second.first, it->second.second);
    added(range, it->second.second);
  }
}

}  // namespace edgeclip::engine
