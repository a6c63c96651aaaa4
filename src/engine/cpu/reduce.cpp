#include <algorithm>
#include <limits>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

enum class Reduction { kSum, kMean, kMax };

/// Over the middle of (outer, n, inner).  A few rows at a time are added in float32, those sums in float64: to
/// widen every element costs several times what adding it does.
class ReduceKernel final : public Kernel {
 public:
  ReduceKernel(kernels::Executor& executor, Reduction reduction, std::int64_t outer, std::int64_t n,
               std::int64_t inner)
      : executor_(executor), reduction_(reduction), outer_(outer), n_(n), inner_(inner) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float* x = inputs[0].as<float>();
    float* y = outputs[0].as<float>();
    const std::int64_t strips = (inner_ + kStrip - 1) / kStrip;
    parallel_rows(executor_, outer_ * strips, n_ * std::min(kStrip, inner_), [&](std::int64_t r) {
      const std::int64_t o = r / strips, s = r % strips;
      strip(x + o * n_ * inner_ + s * kStrip, y + o * inner_ + s * kStrip,
            std::min(kStrip, inner_ - s * kStrip));
    });
  }

  std::string implementation() const override { return "loop:reduce"; }

 private:
  /// Columns that are reduced side by side: vectorized where inner > 1, few enough for the registers' cache.
  static constexpr std::int64_t kStrip = 64;
  static constexpr std::int64_t kRows = 8;  ///< added in float32

  void strip(const float* x, float* y, std::int64_t width) const {
    if (reduction_ == Reduction::kMax) {
      for (std::int64_t i = 0; i < width; ++i) {
        float best = -std::numeric_limits<float>::infinity();
        for (std::int64_t k = 0; k < n_; ++k) best = std::max(best, x[k * inner_ + i]);
        y[i] = best;
      }
      return;
    }
    double sums[kStrip] = {};
    for (std::int64_t k = 0; k < n_; k += kRows) {
      float part[kStrip] = {};
      for (std::int64_t r = k; r < std::min(k + kRows, n_); ++r)
        for (std::int64_t i = 0; i < width; ++i) part[i] += x[r * inner_ + i];
      for (std::int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(part[i]);
    }
    const double divisor = reduction_ == Reduction::kMean ? static_cast<double>(n_) : 1;
    for (std::int64_t i = 0; i < width; ++i) y[i] = static_cast<float>(sums[i] / divisor);
  }

  kernels::Executor& executor_;
  const Reduction reduction_;
  const std::int64_t outer_, n_, inner_;
};

class ReduceNode final : public CpuNode {
 public:
  ReduceNode(const PrepareRequest& request, Reduction reduction)
      : CpuNode(request.node, request.state), reduction_(reduction), constants_(request.constants) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    Layouts layouts = PreparedNode::layouts(inputs, outputs, given);
    // Over all pixels: the result (N, C), with or without ones behind it, lies the same in both layouts.
    const auto axes = reduced(inputs[0].shape);
    if (inputs[0].shape.size() >= 3 && axes.first == 2 && axes.second == inputs[0].shape.size())
      layouts.inputs[0] = given[0];
    return layouts;
  }

 private:
  /// The axes [first, last) that go; equal where they are no neighbours or not known.
  std::pair<std::size_t, std::size_t> reduced(const Shape& x) const {
    if (node.op.rfind("Global", 0) == 0) return {2, x.size()};
    if (node.has_input(1) && constants_[1].data == nullptr) return {0, 0};
    const auto axes = ints_attribute_or_input(node, constants_, "axes", 1, {});
    if (axes.empty()) return {0, node.int_or("noop_with_empty_axes", 0) == 0 ? x.size() : 0};
    auto sorted = normalize_axes(node, axes, x.size());
    std::sort(sorted.begin(), sorted.end());
    if (sorted.back() - sorted.front() + 1 != sorted.size()) return {0, 0};
    return {sorted.front(), sorted.back() + 1};
  }

  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& x = request.inputs[0].shape;
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    const auto [first, last] = reduced(x);
    if (first == last) return nullptr;
    if (request.layouts.inputs[0] == Layout::channels_last)
      return std::make_unique<ReduceKernel>(request.executor, reduction_, x[0], product(x, 2, x.size()),
                                            x[1]);
    return std::make_unique<ReduceKernel>(request.executor, reduction_, product(x, 0, first),
                                          product(x, first, last), product(x, last, x.size()));
  }

  const Reduction reduction_;
  const Inputs constants_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_reduce(const PrepareRequest& request) {
  const std::string& op = request.node.op;
  const Reduction reduction = op == "ReduceSum"                             ? Reduction::kSum
                              : op == "ReduceMax" || op == "GlobalMaxPool" ? Reduction::kMax
                                                                            : Reduction::kMean;
  return std::make_unique<ReduceNode>(request, reduction);
}

}  // namespace edgeclip::engine
