#include <algorithm>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/resize_axis.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

/// The middle of (outer, in, inner) resized to (outer, out, inner).
struct ResizePass {
  std::int64_t outer = 0, in = 0, out = 0, inner = 0;
  std::vector<std::size_t> begin;  ///< of the taps of each place, and their end
  std::vector<std::int64_t> index;
  std::vector<float> weight;
};

/// Linear and cubic interpolation, one dimension after the other: the taps of a place are the product of
/// those along each dimension.
class ResizeKernel final : public Kernel {
 public:
  ResizeKernel(std::vector<ResizePass> passes, const BindRequest& request)
      : executor_(request.executor), passes_(std::move(passes)), scratch_(request.scratch) {
    for (std::size_t i = 0; i + 1 < passes_.size(); ++i)
      between_ = std::max(between_, passes_[i].outer * passes_[i].out * passes_[i].inner);
    between_ = (between_ + 15) / 16 * 16;  // 64 bytes
    if (passes_.size() > 1)
      scratch_.reserve(static_cast<std::size_t>(std::min<std::size_t>(passes_.size() - 1, 2)) *
                       static_cast<std::size_t>(between_) * sizeof(float));
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    const float* x = inputs[0].as<float>();
    float* const between = reinterpret_cast<float*>(scratch_.data());
    for (std::size_t i = 0; i < passes_.size(); ++i) {
      float* y = i + 1 == passes_.size() ? outputs[0].as<float>()
                                         : between + static_cast<std::int64_t>(i % 2) * between_;
      if (passes_[i].inner == 1)
        along_rows(passes_[i], x, y);
      else
        across_rows(passes_[i], x, y);
      x = y;
    }
  }

  std::string implementation() const override { return "loop:resize"; }

 private:
  void across_rows(const ResizePass& pass, const float* x, float* y) const {
    const std::int64_t rows = pass.outer * pass.out, inner = pass.inner;
    parallel_rows(executor_, rows, inner, [&](std::int64_t r) {
      const float* from = x + r / pass.out * pass.in * inner;
      float* to = y + r * inner;
      const auto place = static_cast<std::size_t>(r % pass.out);
      for (std::size_t t = pass.begin[place]; t < pass.begin[place + 1]; ++t) {
        const float* row = from + pass.index[t] * inner;
        const float weight = pass.weight[t];
        if (t == pass.begin[place])
          for (std::int64_t i = 0; i < inner; ++i) to[i] = weight * row[i];
        else
          for (std::int64_t i = 0; i < inner; ++i) to[i] += weight * row[i];
      }
    });
  }

  void along_rows(const ResizePass& pass, const float* x, float* y) const {
    parallel_rows(executor_, pass.outer, pass.out, [&](std::int64_t o) {
      const float* from = x + o * pass.in;
      float* to = y + o * pass.out;
      for (std::int64_t i = 0; i < pass.out; ++i) {
        const auto place = static_cast<std::size_t>(i);
        float sum = 0;
        for (std::size_t t = pass.begin[place]; t < pass.begin[place + 1]; ++t)
          sum += pass.weight[t] * from[pass.index[t]];
        to[i] = sum;
      }
    });
  }

  kernels::Executor& executor_;
  const std::vector<ResizePass> passes_;
  Scratch& scratch_;
  std::int64_t between_ = 0;  ///< elements of the largest intermediate result
};

class ResizeNode final : public CpuNode {
 public:
  explicit ResizeNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state), mode_(resize_mode(request.node)) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    const bool follows = moved_as(inputs[0].dtype).has_value() && inputs[0].shape.size() >= 3;
    return as_first_input(inputs, outputs, follows ? given : std::vector<Layout>{Layout::plain});
  }

 private:
  std::size_t data_inputs() const override { return 1; }
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    for (std::size_t i = 1; i < request.inputs.size(); ++i)
      if (node.has_input(i) && request.inputs[i].data == nullptr) return nullptr;
    if (mode_.crops()) return nullptr;  // places may lie outside
    if (mode_.kernel == ResizeMode::Kernel::nearest) return bind_nearest(node, request);
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    const Layout layout = request.layouts.inputs[0];
    std::vector<ResizeAxis> axes = resize_axes(node, request.inputs);
    if (layout == Layout::channels_last) std::rotate(axes.begin() + 1, axes.begin() + 2, axes.end());
    Shape shape = stored_shape(request.inputs[0].shape, layout);
    std::vector<std::size_t> order;  // what makes it smallest comes first
    for (std::size_t d = 0; d < axes.size(); ++d)
      if (axes[d].in != axes[d].out || axes[d].scale != 1) order.push_back(d);
    if (order.empty()) order.push_back(0);  // a copy
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return axes[a].out * axes[b].in < axes[b].out * axes[a].in;
    });
    std::vector<ResizePass> passes;
    for (const std::size_t d : order) {
      const ResizeTaps taps = resize_taps(mode_, axes[d]);
      if (std::adjacent_find(taps.begin.begin(), taps.begin.end()) != taps.begin.end())
        return nullptr;  // a place without taps: outside
      passes.push_back(pass_of(taps));
      passes.back().outer = product(shape, 0, d);
      passes.back().in = axes[d].in;
      passes.back().out = shape[d] = axes[d].out;
      passes.back().inner = product(shape, d + 1, shape.size());
    }
    return std::make_unique<ResizeKernel>(std::move(passes), request);
  }

  static ResizePass pass_of(const ResizeTaps& taps) {
    ResizePass pass;
    pass.begin = taps.begin;
    for (const ResizeTap& tap : taps.taps) {
      pass.index.push_back(tap.index);
      pass.weight.push_back(static_cast<float>(tap.weight));
    }
    return pass;
  }

  const ResizeMode mode_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_resize(const PrepareRequest& request) {
  return std::make_unique<ResizeNode>(request);
}

}  // namespace edgeclip::engine
