#include <algorithm>
#include <array>
#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/interpolation.h"
#include "engine/ops/support.h"

/// GridSample and AffineGrid.  Coordinates of a grid run from -1 to 1 over each dimension, to the centres of
/// the corner elements with align_corners and to their outer edges without, and are written last dimension
/// first (x, y, z).
namespace edgeclip::engine {

namespace {

enum class GridMode { nearest, linear, cubic };
enum class GridPadding { zeros, border, reflection };

/// The names of linear and cubic changed with opset 20.
GridMode grid_mode(const Node& node) {
  const bool plain = node.opset >= 20;
  const std::string linear = plain ? "linear" : "bilinear", cubic = plain ? "cubic" : "bicubic";
  const std::string mode = node.string_or("mode", linear);
  if (mode == "nearest") return GridMode::nearest;
  if (mode == linear) return GridMode::linear;
  if (mode == cubic) return GridMode::cubic;
  unsupported(node, "mode {} is not there", printable(mode));
}

GridPadding grid_padding(const Node& node) {
  const std::string mode = node.string_or("padding_mode", "zeros");
  if (mode == "zeros") return GridPadding::zeros;
  if (mode == "border") return GridPadding::border;
  if (mode == "reflection") return GridPadding::reflection;
  unsupported(node, "padding_mode {} is not there", printable(mode));
}

/// x (N, C, spatial...), grid (N, out spatial..., number of spatial dimensions): y (N, C, out spatial...).
void infer_grid_sample(ShapeContext& context) {
  const Node& node = context.node;
  const Shape &x = context.inputs[0].shape, &grid = context.inputs[1].shape;
  require_float(context, 0);
  require_float(context, 1);
  grid_mode(node);
  grid_padding(node);
  if (x.size() < 3 || grid.size() != x.size() || grid[0] != x[0] ||
      grid.back() != static_cast<std::int64_t>(x.size()) - 2)
    refuse(node, "input {} and grid {} do not fit", shape_string(x), shape_string(grid));
  if (x.size() > 8) unsupported(node, "{} dimensions: 8 are the most", x.size());
  for (std::size_t d = 2; d < x.size(); ++d)
    if (x[d] == 0) refuse(node, "an empty plane {}", shape_string(x));
  Shape shape = {x[0], x[1]};
  shape.insert(shape.end(), grid.begin() + 1, grid.end() - 1);
  add_output(context, context.inputs[0].dtype, std::move(shape));
}

/// Mirrors at both ends, as often as it takes.
double reflected(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  double off = std::fmod(std::fabs(x - low), 2 * range);
  if (off > range) off = 2 * range - off;
  return low + off;
}

/// One dimension of x for one place of the grid: up to four elements and their weights; index -1 is a zero.
struct GridTaps {
  std::array<std::int64_t, 4> index{};
  std::array<double, 4> weight{};
  std::size_t count = 0;
};

struct GridSampler {
  GridMode mode;
  GridPadding padding;
  bool align;

  double low() const { return align ? 0 : -0.5; }
  double high(std::int64_t size) const { return static_cast<double>(size) - (align ? 1 : 0.5); }

  std::int64_t element(std::int64_t i, std::int64_t size) const {
    if (i >= 0 && i < size) return i;
    if (padding == GridPadding::zeros) return -1;
    if (padding == GridPadding::border) return std::clamp<std::int64_t>(i, 0, size - 1);
    const auto at = static_cast<std::int64_t>(reflected(static_cast<double>(i), low(), high(size)));
    return std::clamp<std::int64_t>(at, 0, size - 1);
  }

  GridTaps taps(double coordinate, std::int64_t size) const {
    constexpr double kFar = 1e15;  // no image reaches there, and it fits in 64 bits
    const auto n = static_cast<double>(size);
    double x = align ? (coordinate + 1) / 2 * (n - 1) : ((coordinate + 1) * n - 1) / 2;
    x = x != x ? -kFar : std::clamp(x, -kFar, kFar);
    if (mode == GridMode::nearest) x = std::nearbyint(x);
    if (x < low() || x > high(size)) {
      if (padding == GridPadding::border) x = std::clamp(x, 0.0, n - 1);
      if (padding == GridPadding::reflection) x = reflected(x, low(), high(size));
    }
    GridTaps result;
    const auto add = [&](std::int64_t i, double weight) {
      result.index[result.count] = element(i, size);
      result.weight[result.count++] = weight;
    };
    const auto left = static_cast<std::int64_t>(std::floor(x));
    const double t = x - static_cast<double>(left);
    if (mode == GridMode::nearest) {
      add(left, 1);
    } else if (mode == GridMode::linear) {
      add(left, 1 - t);
      add(left + 1, t);
    } else {
      for (std::int64_t k = -1; k <= 2; ++k) add(left + k, cubic_weight(static_cast<double>(k) - t, -0.75));
    }
    return result;
  }
};

/// The sum over dimension d of the plane x and those behind it.
template <class T>
double sampled(const std::vector<GridTaps>& taps, const Shape& strides, const T* x, std::size_t d = 0) {
  if (d == taps.size()) return static_cast<double>(*x);
  double sum = 0;
  for (std::size_t k = 0; k < taps[d].count; ++k)
    if (taps[d].index[k] >= 0 && taps[d].weight[k] != 0)
      sum += taps[d].weight[k] * sampled(taps, strides, x + taps[d].index[k] * strides[d], d + 1);
  return sum;
}

void run_grid_sample(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape &xs = inputs[0].shape, &ys = outputs[0].shape;
  const Shape spatial(xs.begin() + 2, xs.end()), strides = strides_of(spatial);
  const std::int64_t plane = num_elements(spatial), places = product(ys, 2, ys.size()), channels = xs[1];
  const auto rank = static_cast<std::int64_t>(spatial.size());
  const GridSampler sampler{grid_mode(node), grid_padding(node), node.int_or("align_corners", 0) != 0};
  std::vector<GridTaps> taps(spatial.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    visit_float(node, inputs[1].dtype, [&](auto grid_type) {
      const auto* grid = inputs[1].as<decltype(grid_type)>();
      for (std::int64_t n = 0; n < xs[0]; ++n)
        for (std::int64_t p = 0; p < places; ++p, grid += rank) {
          for (std::size_t d = 0; d < spatial.size(); ++d)
            taps[d] = sampler.taps(static_cast<double>(grid[spatial.size() - 1 - d]), spatial[d]);
          for (std::int64_t c = n * channels; c < (n + 1) * channels; ++c)
            outputs[0].as<T>()[c * places + p] =
                static_cast<T>(sampled(taps, strides, inputs[0].as<T>() + c * plane));
        }
    });
  });
}

/// theta (N, r, r + 1), size (N, C, spatial...) with r = 2 or 3 spatial dimensions: (N, spatial..., r).
void infer_affine_grid(ShapeContext& context) {
  const Node& node = context.node;
  const Shape& theta = context.inputs[0].shape;
  require_float(context, 0);
  const Shape size = known_ints(context, 1, "its size");
  const auto rank = static_cast<std::int64_t>(size.size()) - 2;
  if (rank != 2 && rank != 3) refuse(node, "a size of {} values: 4 or 5", size.size());
  for (const auto d : size)
    if (d < 1) refuse(node, "a size of {}", shape_string(size));
  if (theta != Shape{size[0], rank, rank + 1})
    refuse(node, "theta is {}, not ({}, {}, {})", shape_string(theta), size[0], rank, rank + 1);
  Shape shape = {size[0]};
  shape.insert(shape.end(), size.begin() + 2, size.end());
  shape.push_back(rank);
  add_output(context, context.inputs[0].dtype, std::move(shape));
}

void run_affine_grid(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = outputs[0].shape;
  const auto rank = static_cast<std::size_t>(shape.back());
  const std::int64_t places = product(shape, 1, rank + 1);
  const bool align = node.int_or("align_corners", 0) != 0;
  // Element i of n on the grid.  A single one with align_corners is in the middle, as PyTorch has it: the
  // specification divides by zero there.
  const auto coordinate = [&](std::int64_t i, std::int64_t n) {
    const auto at = static_cast<double>(i), size = static_cast<double>(n);
    if (!align) return (2 * at + 1) / size - 1;
    return n > 1 ? 2 * at / (size - 1) - 1 : 0.0;
  };
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    T* y = outputs[0].as<T>();
    for (std::int64_t n = 0; n < shape[0]; ++n) {
      const T* theta = inputs[0].as<T>() + n * static_cast<std::int64_t>(rank * (rank + 1));
      for (std::int64_t p = 0; p < places; ++p) {
        std::array<double, 3> at{};  // x, y, z
        std::int64_t rest = p;
        for (std::size_t k = 0; k < rank; ++k) {
          const std::int64_t size = shape[rank - k];
          at[k] = coordinate(rest % size, size);
          rest /= size;
        }
        for (std::size_t r = 0; r < rank; ++r) {
          const T* row = theta + r * (rank + 1);
          auto sum = static_cast<double>(row[rank]);
          for (std::size_t k = 0; k < rank; ++k) sum += static_cast<double>(row[k]) * at[k];
          *y++ = static_cast<T>(sum);
        }
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& grid_sample_operators() {
  constexpr const char* kAttributes = "align_corners:i mode:s padding_mode:s";
  static const std::vector<Operator> rows = {
      {"GridSample", "", 16, 19, infer_grid_sample, run_grid_sample, 2, 2, 1, kAttributes},
      {"GridSample", "", 20, kNewestOpset, infer_grid_sample, run_grid_sample, 2, 2, 1, kAttributes},
      {"AffineGrid", "", 20, kNewestOpset, infer_affine_grid, run_affine_grid, 2, 2, 1, "align_corners:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
