#include "engine/cpu/masked_softmax.h"

#include <cmath>
#include <limits>

#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

/// Adds the mask and looks for rows that have no softmax in one walk, then oneDNN's softmax over all rows in
/// place.  oneDNN's exponential turns a NaN into a number, so such rows are given zeros before it and what
/// they are to be after it.
class MaskedSoftmaxKernel final : public Kernel {
 public:
  enum Slot : std::size_t { kSource, kDestination };
  MaskedSoftmaxKernel(DividedCall call, const BindRequest& request, std::size_t rows_at, bool safe)
      : call_(std::move(call)),
        shape_(request.inputs[0].shape),
        scratch_(request.scratch),
        executor_(request.executor),
        rows_at_(rows_at),
        instead_(safe ? 0 : std::numeric_limits<float>::quiet_NaN()) {
    if (request.inputs.size() > 1 && request.inputs[1].dtype == DType::f32 && !request.inputs[1].shape.empty())
      steps_ = broadcast_strides(request.inputs[1].shape, shape_);
    else
      steps_ = Shape(shape_.size(), 0);
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float* x = inputs[0].as<float>();
    const float* mask = inputs.size() > 1 && inputs[1].data ? inputs[1].as<float>() : nullptr;
    float* y = outputs[0].as<float>();
    auto* missing = reinterpret_cast<std::uint8_t*>(scratch_.data() + rows_at_);
    const std::int64_t n = shape_.back(), rows = num_elements(shape_) / n, step = steps_.back();
    parallel_rows(executor_, rows, n, [&](std::int64_t r) {
      missing[r] = add_row(x + r * n, mask ? mask + mask_offset(r) : nullptr, step, n, y + r * n) ? 0 : 1;
    });
    call_.set(kSource, reinterpret_cast<const std::byte*>(y));
    call_.set(kDestination, outputs[0].data);
    call_.run();
    for (std::int64_t r = 0; r < rows; ++r)
      if (missing[r] != 0) std::fill_n(y + r * n, n, instead_);
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  /// y = x + mask; whether its softmax is a number.  If not, y is zeros.
  static bool add_row(const float* x, const float* mask, std::int64_t step, std::int64_t n, float* y) {
    float most = -std::numeric_limits<float>::infinity(), nan = 0;
    if (mask == nullptr) {
      if (y != x) std::copy_n(x, n, y);
    } else if (step == 0) {
#pragma omp simd
      for (std::int64_t k = 0; k < n; ++k) y[k] = x[k] + mask[0];
    } else {
#pragma omp simd
      for (std::int64_t k = 0; k < n; ++k) y[k] = x[k] + mask[k];
    }
#pragma omp simd reduction(max : most) reduction(+ : nan)
    for (std::int64_t k = 0; k < n; ++k) {
      most = y[k] > most ? y[k] : most;
      nan += y[k] == y[k] ? 0.0F : 1.0F;
    }
    if (nan == 0 && std::isfinite(most)) return true;
    std::fill_n(y, n, 0.0F);
    return false;
  }

  std::int64_t mask_offset(std::int64_t row) const {
    std::int64_t offset = 0;
    for (std::size_t d = shape_.size() - 1; d-- > 0; row /= shape_[d]) offset += row % shape_[d] * steps_[d];
    return offset;
  }

  DividedCall call_;
  const Shape shape_;
  Shape steps_;  ///< of the mask, 0 where it is broadcast
  Scratch& scratch_;
  kernels::Executor& executor_;
  const std::size_t rows_at_;  ///< in the scratch: a byte for each row
  const float instead_;
};

class MaskedSoftmaxNode final : public CpuNode {
 public:
  explicit MaskedSoftmaxNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  bool in_place(std::size_t i, const Inputs&, const Outputs&) const override { return i == 0; }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    return bind_masked_softmax(request, node.int_or("safe", 0) != 0);
  }
};

}  // namespace

std::unique_ptr<Kernel> bind_masked_softmax(const BindRequest& request, bool safe) {
  const Shape& x = request.inputs[0].shape;
  const std::int64_t n = x.back(), rows = num_elements(x) / n;
  DividedCall call(request);
  add_ranges<dnnl::softmax_v2_forward>(
      call, divided(rows, rows * n * kElementsOfExponential, request.executor.threads()),
      [&](std::int64_t length) {
        const dnnl::memory::desc data = dense_desc({length, n}, kF32);
        return dnnl::softmax_v2_forward::primitive_desc(
            {dnnl::prop_kind::forward_inference, dnnl::algorithm::softmax_accurate, data, data, 1},
            onednn_attributes(), onednn_engine());
      },
      [&](const Range& range, const auto& pd) {
        call.bind(DNNL_ARG_SRC, pd.src_desc(), range.begin * n);
        call.bind(DNNL_ARG_DST, pd.dst_desc(), range.begin * n);
      });
  // Behind the primitive's own scratchpads, which start at the same address.
  const std::size_t rows_at = (call.scratch_bytes() + 63) / 64 * 64;
  request.scratch.reserve(rows_at + static_cast<std::size_t>(rows));
  return std::make_unique<MaskedSoftmaxKernel>(std::move(call), request, rows_at, safe);
}

std::unique_ptr<PreparedNode> prepare_masked_softmax(const PrepareRequest& request) {
  return std::make_unique<MaskedSoftmaxNode>(request);
}

}  // namespace edgeclip::engine
