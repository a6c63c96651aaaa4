#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/indices.h"
#include "engine/ops/support.h"

/// GatherElements, ScatterElements and ScatterND: indices are looked at first, one after the other, since one
/// out of range ends the run; what is moved is then divided so that no two threads write to one place, and
/// each place sees its updates in their order.
namespace edgeclip::engine {

namespace {

enum class Scattering { kWrite, kAdd };

std::optional<Scattering> scattering_of(const Node& node, DType dtype) {
  const std::string reduction = node.string_or("reduction", "none");
  if (reduction == "none") return Scattering::kWrite;
  if (reduction == "add" && dtype == DType::f32) return Scattering::kAdd;
  return {};
}

/// Copies all of it, divided among the threads.
void copy_all(kernels::Executor& executor, const TensorView& from, const OutputView& to) {
  constexpr std::int64_t kChunk = 1 << 18;  // bytes
  const auto bytes = static_cast<std::int64_t>(from.bytes());
  kernels::parallel_chunks(executor, bytes, kChunk, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(to.data + begin, from.data + begin, static_cast<std::size_t>(end - begin));
  });
}

/// The indices of a node along dimensions of `limits`, which take turns, negative ones counted from the
/// front.
class Places {
 public:
  Places(const Node& node, Shape limits, std::int64_t count)
      : node_(node), limits_(std::move(limits)), places_(static_cast<std::size_t>(count)) {}

  const std::int64_t* read(const TensorView& input) {
    const Indices indices(input);
    const auto n = static_cast<std::int64_t>(places_.size()),
               turns = static_cast<std::int64_t>(limits_.size());
    for (std::int64_t i = 0; i < n; ++i)
      places_[static_cast<std::size_t>(i)] =
          indices.at(node_, i, limits_[static_cast<std::size_t>(i % turns)]);
    return places_.data();
  }

 private:
  const Node& node_;
  const Shape limits_;
  std::vector<std::int64_t> places_;
};

/// Lines along an axis of indices (outer..., n, inner...) beside data, which may reach further in every
/// dimension.
struct Lines {
  Lines(const Shape& data, const Shape& indices, std::size_t at)
      : axis(at),
        shape(indices),
        own(strides_of(data)),
        count(product(indices, 0, at) * product(indices, at + 1, indices.size())),
        n(indices[at]),
        step(product(indices, at + 1, indices.size())) {}

  /// Where line i begins in the data, and among the indices.
  std::pair<std::int64_t, std::int64_t> begin(std::int64_t i) const {
    const std::int64_t among = i / step * n * step + i % step;
    std::int64_t rest = i, place = 0;
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (d == axis) continue;
      place += rest % shape[d] * own[d];
      rest /= shape[d];
    }
    return {place, among};
  }

  std::size_t axis;
  Shape shape, own;
  std::int64_t count, n, step;
};

class GatherElementsKernel final : public Kernel {
 public:
  GatherElementsKernel(kernels::Executor& executor, const Node& node, const Shape& data, const Shape& indices,
                       std::size_t axis)
      : executor_(executor),
        lines_(data, indices, axis),
        places_(node, {data[axis]}, num_elements(indices)) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const std::int64_t* places = places_.read(inputs[1]);
    visit_storage(inputs[0].dtype, [&](auto type) {
      using T = decltype(type);
      const T* x = storage<T>(inputs[0]);
      T* y = storage<T>(outputs[0]);
      const std::int64_t own = lines_.own[lines_.axis];
      parallel_rows(executor_, lines_.count, lines_.n, [&](std::int64_t i) {
        const std::pair<std::int64_t, std::int64_t> at = lines_.begin(i);
        for (std::int64_t k = 0; k < lines_.n; ++k) {
          const std::int64_t to = at.second + k * lines_.step;
          y[to] = x[at.first + places[to] * own];
        }
      });
    });
  }

  std::string implementation() const override { return "loop:gather_elements"; }

 private:
  kernels::Executor& executor_;
  const Lines lines_;
  Places places_;
};

class ScatterElementsKernel final : public Kernel {
 public:
  ScatterElementsKernel(kernels::Executor& executor, const Node& node, const Shape& data,
                        const Shape& indices, std::size_t axis, Scattering scattering)
      : executor_(executor),
        lines_(data, indices, axis),
        places_(node, {data[axis]}, num_elements(indices)),
        scattering_(scattering) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const std::int64_t* places = places_.read(inputs[1]);
    copy_all(executor_, inputs[0], outputs[0]);
    if (scattering_ == Scattering::kAdd)
      each_line(places, [x = inputs[2].as<float>(), y = outputs[0].as<float>()](
                            std::int64_t to, std::int64_t from) { y[to] += x[from]; });
    else
      visit_storage(inputs[0].dtype, [&](auto type) {
        using T = decltype(type);
        each_line(places, [x = storage<T>(inputs[2]), y = storage<T>(outputs[0])](
                              std::int64_t to, std::int64_t from) { y[to] = x[from]; });
      });
  }

  std::string implementation() const override { return "loop:scatter_elements"; }

 private:
  /// No update of a line reaches another one.
  template <class Update>
  void each_line(const std::int64_t* places, Update update) const {
    const std::int64_t own = lines_.own[lines_.axis];
    parallel_rows(executor_, lines_.count, lines_.n, [&](std::int64_t i) {
      const std::pair<std::int64_t, std::int64_t> at = lines_.begin(i);
      for (std::int64_t k = 0; k < lines_.n; ++k) {
        const std::int64_t from = at.second + k * lines_.step;
        update(at.first + places[from] * own, from);
      }
    });
  }

  kernels::Executor& executor_;
  const Lines lines_;
  Places places_;
  const Scattering scattering_;
};

/// ScatterND: `rows` updates of `width` elements each.
class ScatterNdKernel final : public Kernel {
 public:
  ScatterNdKernel(kernels::Executor& executor, const Node& node, Shape limits, std::int64_t rows,
                  std::int64_t width, Scattering scattering)
      : executor_(executor),
        limits_(limits),
        rows_(rows),
        width_(width),
        places_(node, std::move(limits), rows * static_cast<std::int64_t>(limits_.size())),
        scattering_(scattering) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const std::int64_t* places = places_.read(inputs[1]);
    copy_all(executor_, inputs[0], outputs[0]);
    if (scattering_ == Scattering::kAdd)
      each_row(places, [x = inputs[2].as<float>(), y = outputs[0].as<float>()](
                           std::int64_t to, std::int64_t from, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) y[to + i] += x[from + i];
      });
    else
      visit_storage(inputs[0].dtype, [&](auto type) {
        using T = decltype(type);
        each_row(places, [x = storage<T>(inputs[2]), y = storage<T>(outputs[0])](
                             std::int64_t to, std::int64_t from, std::int64_t n) {
          std::memcpy(y + to, x + from, static_cast<std::size_t>(n) * sizeof(T));
        });
      });
  }

  std::string implementation() const override { return "loop:scatter_nd"; }

 private:
  /// Each thread has columns of its own of all rows: several rows may go to one place.
  template <class Update>
  void each_row(const std::int64_t* places, Update update) const {
    constexpr std::int64_t kColumns = 64;
    const std::int64_t strips = (width_ + kColumns - 1) / kColumns,
                       k = static_cast<std::int64_t>(limits_.size());
    parallel_rows(executor_, strips, rows_ * std::min(kColumns, width_), [&](std::int64_t s) {
      const std::int64_t first = s * kColumns, n = std::min(kColumns, width_ - first);
      for (std::int64_t r = 0; r < rows_; ++r) {
        std::int64_t place = 0;
        for (std::int64_t j = 0; j < k; ++j)
          place = place * limits_[static_cast<std::size_t>(j)] + places[r * k + j];
        update(place * width_ + first, r * width_ + first, n);
      }
    });
  }

  kernels::Executor& executor_;
  const Shape limits_;
  const std::int64_t rows_, width_;
  Places places_;
  const Scattering scattering_;
};

class ElementsNode final : public CpuNode {
 public:
  explicit ElementsNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape &data = request.inputs[0].shape, &indices = request.inputs[1].shape;
    if (data.empty()) return nullptr;
    const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), data.size());
    if (node.is("GatherElements"))
      return std::make_unique<GatherElementsKernel>(request.executor, node, data, indices, axis);
    const auto scattering = scattering_of(node, request.inputs[0].dtype);
    if (!scattering) return nullptr;
    return std::make_unique<ScatterElementsKernel>(request.executor, node, data, indices, axis, *scattering);
  }
};

class ScatterNdNode final : public CpuNode {
 public:
  explicit ScatterNdNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape &data = request.inputs[0].shape, &indices = request.inputs[1].shape;
    const auto scattering = scattering_of(node, request.inputs[0].dtype);
    if (!scattering) return nullptr;
    const auto k = static_cast<std::size_t>(indices.back());
    return std::make_unique<ScatterNdKernel>(
        request.executor, node, Shape(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(k)),
        product(indices, 0, indices.size() - 1), product(data, k, data.size()), *scattering);
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_elements(const PrepareRequest& request) {
  return std::make_unique<ElementsNode>(request);
}
std::unique_ptr<PreparedNode> prepare_scatter_nd(const PrepareRequest& request) {
  return std::make_unique<ScatterNdNode>(request);
}

}  // namespace edgeclip::engine
