#include "engine/cpu/masked_softmax.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

class SoftmaxNode final : public CpuNode {
 public:
  explicit SoftmaxNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  bool in_place(std::size_t, const Inputs& inputs, const Outputs&) const override {
    return last_axis(inputs[0].shape) == inputs[0].shape.size() - 1;
  }

 private:
  /// The axis, or the rank where there are several.
  std::size_t last_axis(const Shape& x) const {
    const auto rank = static_cast<std::int64_t>(x.size());
    // Before opset 13 the default axis is 1 and all dimensions from it on are one; for the last axis both
    // rules agree.
    std::int64_t axis = node.int_or("axis", node.opset >= 13 ? -1 : 1);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank || (node.opset < 13 && axis != rank - 1)) return x.size();
    return static_cast<std::size_t>(axis);
  }

  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    const Shape& x = request.inputs[0].shape;
    const std::size_t axis = last_axis(x);
    if (axis == x.size()) return nullptr;
    const std::int64_t inner = product(x, axis + 1, x.size());
    // oneDNN alone makes numbers of a row with a NaN or an infinity in it.
    if (node.op == "Softmax" && axis + 1 == x.size()) return bind_masked_softmax(request, false);
    const auto kind = node.op == "Softmax" ? dnnl::algorithm::softmax_accurate : dnnl::algorithm::softmax_log;
    const std::int64_t outer = product(x, 0, axis), step = x[axis] * inner;
    DividedCall call(request);
    add_ranges<dnnl::softmax_v2_forward>(
        call, divided(outer, outer * step * kElementsOfExponential, request.executor.threads()),
        [&](std::int64_t length) {
          dnnl::memory::dims dims = {length, x[axis]};
          if (inner > 1) dims.push_back(inner);
          const dnnl::memory::desc data = dense_desc(dims, kF32);
          return dnnl::softmax_v2_forward::primitive_desc(
              {dnnl::prop_kind::forward_inference, kind, data, data, 1}, onednn_attributes(),
              onednn_engine());
        },
        [&](const Range& range, const auto& pd) {
          call.bind(DNNL_ARG_SRC, pd.src_desc(), range.begin * step);
          call.bind(DNNL_ARG_DST, pd.dst_desc(), range.begin * step);
        });
    return std::make_unique<UnaryOneDnnKernel>(std::move(call));
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_softmax(const PrepareRequest& request) {
  return std::make_unique<SoftmaxNode>(request);
}

}  // namespace edgeclip::engine
