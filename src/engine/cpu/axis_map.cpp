#include "engine/cpu/axis_map.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

constexpr std::int64_t kFill = AxisMap::kFill;

/// Dimensions are joined from the back while a row of the map stays this short: rows are what threads divide,
/// and what is copied in one go.
constexpr std::size_t kLongestRow = 4096;

/// The map of two neighbouring dimensions as that of one.
std::vector<std::int64_t> joined(const std::vector<std::int64_t>& outer,
                                 const std::vector<std::int64_t>& inner) {
  std::vector<std::int64_t> all;
  all.reserve(outer.size() * inner.size());
  for (const std::int64_t o : outer)
    for (const std::int64_t i : inner) all.push_back(o == kFill || i == kFill ? kFill : o + i);
  return all;
}

class AxisMapKernel final : public Kernel {
 public:
  AxisMapKernel(kernels::Executor& executor, AxisMap map, DType dtype, std::optional<std::size_t> fill_input,
                std::uint64_t fill)
      : executor_(executor),
        size_(dtype_size(dtype)),
        fill_input_(fill_input),
        fill_(fill),
        outer_(std::move(map.from)) {
    row_ = {0};
    while (!outer_.empty() && outer_.back().size() * row_.size() <= kLongestRow) {
      row_ = joined(outer_.back(), row_);
      outer_.pop_back();
    }
    if (!outer_.empty() && row_.size() == 1) {  // a last dimension that is longer by itself
      row_ = joined(outer_.back(), row_);
      outer_.pop_back();
    }
    rows_ = 1;
    for (const auto& from : outer_) rows_ *= static_cast<std::int64_t>(from.size());
    for (std::size_t at = 0; at < row_.size();) {
      std::size_t end = at + 1;
      while (
          end < row_.size() &&
          (row_[at] == kFill ? row_[end] == kFill : row_[end] == row_[end - 1] + 1 && row_[end - 1] != kFill))
        ++end;
      runs_.push_back({at, end});
      at = end;
    }
    in_runs_ = runs_.size() * 4 <= row_.size();
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    std::uint64_t fill = fill_;
    if (fill_input_ && *fill_input_ < inputs.size() && inputs[*fill_input_].data != nullptr)
      std::memcpy(&fill, inputs[*fill_input_].data, size_);
    switch (size_) {
      case 1:
        return move<std::uint8_t>(inputs[0].data, outputs[0].data, fill);
      case 2:
        return move<std::uint16_t>(inputs[0].data, outputs[0].data, fill);
      case 4:
        return move<std::uint32_t>(inputs[0].data, outputs[0].data, fill);
      default:
        return move<std::uint64_t>(inputs[0].data, outputs[0].data, fill);
    }
  }

  std::string implementation() const override { return "loop:axis_map"; }

 private:
  struct Run {
    std::size_t begin, end;
  };

  template <class T>
  void move(const std::byte* input, std::byte* output, std::uint64_t fill_bytes) const {
    const T* const x = reinterpret_cast<const T*>(input);
    T* const y = reinterpret_cast<T*>(output);
    T fill;
    std::memcpy(&fill, &fill_bytes, sizeof fill);
    const auto n = static_cast<std::int64_t>(row_.size());
    parallel_rows(executor_, rows_, n, [&](std::int64_t r) {
      const std::int64_t base = offset_of(r);
      T* const to = y + r * n;
      if (base == kFill)
        std::fill_n(to, n, fill);
      else if (in_runs_)
        copy_runs(x + base, to, fill);
      else
        for (std::int64_t i = 0; i < n; ++i) {
          const std::int64_t from = row_[static_cast<std::size_t>(i)];
          to[i] = from == kFill ? fill : x[base + from];
        }
    });
  }

  template <class T>
  void copy_runs(const T* from, T* to, T fill) const {
    for (const Run& run : runs_) {
      const std::size_t count = run.end - run.begin;
      if (row_[run.begin] == kFill)
        std::fill_n(to + run.begin, count, fill);
      else
        std::memcpy(to + run.begin, from + row_[run.begin], count * sizeof(T));
    }
  }

  std::int64_t offset_of(std::int64_t row) const {
    std::int64_t offset = 0;
    for (std::size_t d = outer_.size(); d-- > 0;) {
      const auto n = static_cast<std::int64_t>(outer_[d].size());
      const std::int64_t from = outer_[d][static_cast<std::size_t>(row % n)];
      if (from == kFill) return kFill;
      offset += from;
      row /= n;
    }
    return offset;
  }

  kernels::Executor& executor_;
  const std::size_t size_;
  const std::optional<std::size_t> fill_input_;
  const std::uint64_t fill_;
  std::vector<std::vector<std::int64_t>> outer_;
  std::vector<std::int64_t> row_;
  std::vector<Run> runs_;
  std::int64_t rows_ = 1;
  bool in_runs_ = false;
};

}  // namespace

std::unique_ptr<Kernel> make_axis_map(kernels::Executor& executor, AxisMap map, DType dtype,
                                      std::optional<std::size_t> fill_input, std::uint64_t fill) {
  return std::make_unique<AxisMapKernel>(executor, std::move(map), dtype, fill_input, fill);
}

}  // namespace edgeclip::engine
