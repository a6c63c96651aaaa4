#include <cstring>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/parts.h"
#include "engine/ops/indices.h"
#include "engine/ops/support.h"

/// What text towers find their pooled token with: comparisons with one value, ArgMax, GatherND.
namespace edgeclip::engine {

namespace {

/// Equal of values of one type, element by element or with a single one.
template <class T>
class EqualKernel final : public Kernel {
 public:
  EqualKernel(kernels::Executor& executor, bool one0, bool one1)
      : executor_(executor), step0_(one0 ? 0 : 1), step1_(one1 ? 0 : 1) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const T *a = inputs[0].as<T>(), *b = inputs[1].as<T>();
    bool* y = outputs[0].as<bool>();
    const std::int64_t n = outputs[0].elements();
    parallel_elements(executor_, n,
                      [=, step0 = step0_, step1 = step1_](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t i = begin; i < end; ++i) y[i] = a[i * step0] == b[i * step1];
                      });
  }
  std::string implementation() const override { return "loop:equal"; }

 private:
  kernels::Executor& executor_;
  const std::int64_t step0_, step1_;
};

class EqualNode final : public CpuNode {
 public:
  explicit EqualNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const std::int64_t n = request.outputs[0].elements();
    bool one[2];
    for (std::size_t i = 0; i < 2; ++i) {
      one[i] = request.inputs[i].elements() == 1;
      if (!one[i] && request.inputs[i].elements() != n) return in_parts(request);
    }
    switch (request.inputs[0].dtype) {
      case DType::i32:
        return std::make_unique<EqualKernel<std::int32_t>>(request.executor, one[0], one[1]);
      case DType::i64:
        return std::make_unique<EqualKernel<std::int64_t>>(request.executor, one[0], one[1]);
      case DType::f32:
        return std::make_unique<EqualKernel<float>>(request.executor, one[0], one[1]);
      default:
        return in_parts(request);
    }
  }

  std::unique_ptr<Kernel> in_parts(const BindRequest& request) const {
    return bind_in_parts(node, request, elementwise_parts(request.inputs, request.outputs));
  }
};

/// The first of the largest along the middle of (outer, n, inner).
template <class T>
class ArgMaxKernel final : public Kernel {
 public:
  ArgMaxKernel(kernels::Executor& executor, std::int64_t outer, std::int64_t n, std::int64_t inner)
      : executor_(executor), outer_(outer), n_(n), inner_(inner) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const T* x = inputs[0].as<T>();
    auto* y = outputs[0].as<std::int64_t>();
    parallel_rows(executor_, outer_ * inner_, n_, [&](std::int64_t r) {
      const T* values = x + r / inner_ * n_ * inner_ + r % inner_;
      std::int64_t best = 0;
      for (std::int64_t k = 1; k < n_; ++k)
        if (values[k * inner_] > values[best * inner_]) best = k;
      y[r] = best;
    });
  }
  std::string implementation() const override { return "loop:argmax"; }

 private:
  kernels::Executor& executor_;
  const std::int64_t outer_, n_, inner_;
};

class ArgMaxNode final : public CpuNode {
 public:
  explicit ArgMaxNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& x = request.inputs[0].shape;
    if (node.int_or("select_last_index", 0) != 0) return nullptr;
    const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), x.size());
    const std::int64_t outer = product(x, 0, axis), n = x[axis], inner = product(x, axis + 1, x.size());
    switch (request.inputs[0].dtype) {
      case DType::i32:
        return std::make_unique<ArgMaxKernel<std::int32_t>>(request.executor, outer, n, inner);
      case DType::i64:
        return std::make_unique<ArgMaxKernel<std::int64_t>>(request.executor, outer, n, inner);
      case DType::f32:
        return std::make_unique<ArgMaxKernel<float>>(request.executor, outer, n, inner);
      default:
        return nullptr;
    }
  }
};

/// data (batch..., a, b, ..., rest...), indices (batch..., any..., k): rows of what k indices pick in their
/// batch.
class GatherNdKernel final : public Kernel {
 public:
  /// limits: (a, b, ...).  picks: of each batch.
  GatherNdKernel(const Node& node, Shape limits, std::int64_t batches, std::int64_t picks, std::size_t row)
      : node_(node), limits_(std::move(limits)), batches_(batches), picks_(picks), row_(row) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const Indices indices(inputs[1]);
    std::byte* y = outputs[0].data;
    std::int64_t next = 0;
    for (std::int64_t b = 0; b < batches_; ++b)
      for (std::int64_t p = 0; p < picks_; ++p, y += row_) {
        std::int64_t place = b;
        for (const std::int64_t limit : limits_) place = place * limit + indices.at(node_, next++, limit);
        std::memcpy(y, inputs[0].data + static_cast<std::size_t>(place) * row_, row_);
      }
  }
  std::string implementation() const override { return "loop:gather_nd"; }

 private:
  const Node& node_;
  const Shape limits_;
  const std::int64_t batches_, picks_;
  const std::size_t row_;
};

class GatherNdNode final : public CpuNode {
 public:
  explicit GatherNdNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape &data = request.inputs[0].shape, &indices = request.inputs[1].shape;
    const auto batch = static_cast<std::size_t>(node.int_or("batch_dims", 0)),
               k = static_cast<std::size_t>(indices.back());
    const auto first = data.begin() + static_cast<std::ptrdiff_t>(batch);
    return std::make_unique<GatherNdKernel>(
        node, Shape(first, first + static_cast<std::ptrdiff_t>(k)), product(indices, 0, batch),
        product(indices, batch, indices.size() - 1),
        static_cast<std::size_t>(product(data, batch + k, data.size())) * dtype_size(request.inputs[0].dtype));
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_equal(const PrepareRequest& request) {
  return std::make_unique<EqualNode>(request);
}
std::unique_ptr<PreparedNode> prepare_argmax(const PrepareRequest& request) {
  return std::make_unique<ArgMaxNode>(request);
}
std::unique_ptr<PreparedNode> prepare_gather_nd(const PrepareRequest& request) {
  return std::make_unique<GatherNdNode>(request);
}

}  // namespace edgeclip::engine
