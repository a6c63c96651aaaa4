#include "engine/cpu/window_slices.h"

#include <algorithm>
#include <optional>

#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;

/// Pixels of a slice are a multiple of this, since kernels compute as many side by side.
constexpr std::int64_t kPixels = 4;

/// Whether rows of the first spatial dimension lie one behind the other.
bool rows_in_one_piece(const Shape& shape, Layout layout) {
  return layout == Layout::channels_last || shape[1] == 1 || product(shape, 2, shape.size()) == 1;
}

/// Elements of a row of the first spatial dimension.
std::int64_t row_elements(const Shape& shape) { return shape[1] * product(shape, 3, shape.size()); }

class Slicer {
 public:
  Slicer(const std::vector<WindowDim>& window, const BindRequest& request, std::int64_t work)
      : window_(window),
        x_(request.inputs[0].shape),
        y_(request.outputs[0].shape),
        in_rows_(rows_in_one_piece(x_, request.layouts.inputs[0]) &&
                 rows_in_one_piece(y_, request.layouts.outputs[0])),
        threads_(request.executor.threads()),
        work_(work) {}

  template <class Rows>
  std::vector<WindowSlice> slices(const WindowSlice& whole, const Rows& rows_of) const {
    const std::int64_t images = x_[0];
    if (divided(images * y_[2], work_, threads_).size() == 1) return {whole};
    if (images % threads_ == 0 || images >= 4 * threads_ || !in_rows_) return by_images(whole);
    if (is_pointwise()) return by_pixels(whole);
    std::vector<WindowSlice> slices;
    const std::vector<Range> ranges = divided(y_[2], work_ / images, threads_);
    for (std::int64_t n = 0; n < images; ++n)
      for (const Range& range : ranges) {
        std::optional<WindowSlice> slice = rows_of(whole, range);
        if (!slice) return by_images(whole);
        slice->x[0] = slice->y[0] = 1;
        slice->x_at += n * x_[2] * row_elements(x_);
        slice->y_at += n * y_[2] * row_elements(y_);
        slices.push_back(std::move(*slice));
      }
    return slices;
  }

 private:
  bool is_pointwise() const {
    return std::all_of(window_.begin(), window_.end(), [](const WindowDim& d) {
      return d.kernel == 1 && d.stride == 1 && d.before == 0 && d.in == d.out;
    });
  }

  std::vector<WindowSlice> by_images(const WindowSlice& whole) const {
    std::vector<WindowSlice> slices;
    for (const Range& range : divided(x_[0], work_, threads_)) {
      WindowSlice slice = whole;
      slice.x[0] = slice.y[0] = range.length();
      slice.x_at = range.begin * product(x_, 1, x_.size());
      slice.y_at = range.begin * product(y_, 1, y_.size());
      slices.push_back(std::move(slice));
    }
    return slices;
  }

  std::vector<WindowSlice> by_pixels(const WindowSlice& whole) const {
    std::vector<WindowSlice> slices;
    for (const Range& range : divided(x_[0] * product(x_, 2, x_.size()), work_, threads_, kPixels)) {
      WindowSlice slice = whole;
      for (Dims* dims : {&slice.x, &slice.y}) {
        std::fill(dims->begin() + 2, dims->end(), 1);
        dims->front() = 1;
        dims->back() = range.length();
      }
      std::fill(slice.after.begin(), slice.after.end(), 0);
      slice.x_at = range.begin * x_[1];
      slice.y_at = range.begin * y_[1];
      slices.push_back(std::move(slice));
    }
    return slices;
  }

  const std::vector<WindowDim>& window_;
  const Shape &x_, &y_;
  const bool in_rows_;
  const int threads_;
  const std::int64_t work_;
};

}  // namespace

std::vector<WindowSlice> window_slices(const std::vector<WindowDim>& window, const BindRequest& request,
                                       std::int64_t work) {
  const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
  WindowSlice whole{x, y, {}, {}};
  for (const WindowDim& d : window) {
    whole.before.push_back(d.before);
    // What is needed behind the last row follows from the output's size.
    whole.after.push_back(d.first(d.out - 1) + (d.kernel - 1) * d.dilation + 1 - d.in);
  }
  const WindowDim& d = window.front();
  return Slicer(window, request, work)
      .slices(whole, [&](WindowSlice slice, const Range& rows) -> std::optional<WindowSlice> {
        const std::int64_t first = d.first(rows.begin),
                           end = d.first(rows.end - 1) + (d.kernel - 1) * d.dilation + 1,
                           begin_in = std::max<std::int64_t>(0, first), end_in = std::min(d.in, end);
        if (begin_in >= end_in) return {};  // all of it padding
        slice.x[2] = end_in - begin_in;
        slice.y[2] = rows.length();
        slice.before[0] = begin_in - first;
        slice.after[0] = end - end_in;
        slice.x_at = begin_in * row_elements(x);
        slice.y_at = rows.begin * row_elements(y);
        return slice;
      });
}

std::vector<WindowSlice> transposed_slices(const std::vector<WindowDim>& window, const BindRequest& request,
                                           std::int64_t work) {
  const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
  WindowSlice whole{x, y, {}, {}};
  const auto behind = [](const WindowDim& d, std::int64_t in, std::int64_t out, std::int64_t before) {
    return (in - 1) * d.stride + (d.kernel - 1) * d.dilation + 1 - out - before;
  };
  for (const WindowDim& d : window) {
    whole.before.push_back(d.before);
    whole.after.push_back(behind(d, d.in, d.out, d.before));
  }
  const WindowDim& d = window.front();
  return Slicer(window, request, work)
      .slices(whole, [&](WindowSlice slice, const Range& rows) -> std::optional<WindowSlice> {
        // Row i of x reaches rows i stride - before to that + (kernel - 1) dilation of y.
        const std::int64_t reach = (d.kernel - 1) * d.dilation, first = rows.begin + d.before - reach,
                           begin_in = first <= 0 ? 0 : (first + d.stride - 1) / d.stride,
                           end_in = std::min(d.in, (rows.end - 1 + d.before) / d.stride + 1),
                           before = d.before + rows.begin - begin_in * d.stride;
        if (begin_in >= end_in || before < 0) return {};
        slice.x[2] = end_in - begin_in;
        slice.y[2] = rows.length();
        slice.before[0] = before;
        slice.after[0] = behind(d, slice.x[2], slice.y[2], before);
        slice.x_at = begin_in * row_elements(x);
        slice.y_at = rows.begin * row_elements(y);
        return slice;
      });
}

}  // namespace edgeclip::engine
