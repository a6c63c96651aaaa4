#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

class TransposeNode final : public CpuNode {
 public:
  explicit TransposeNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
    if (x.empty()) return nullptr;
    const auto type = moved_as(request.inputs[0].dtype);
    std::vector<std::int64_t> reversed;
    for (std::size_t i = x.size(); i-- > 0;) reversed.push_back(static_cast<std::int64_t>(i));
    const auto order = node.ints_or("perm", reversed);
    if (!type || x.size() > 6) return bind_permutation(request, order);
    const dnnl::memory::dims strides = dense_strides(x);
    dnnl::memory::dims permuted(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) permuted[i] = strides.at(static_cast<std::size_t>(order.at(i)));
    return make_strided_copy(request.executor, request.scratch, y, permuted, dense_strides(y), *type);
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_transpose(const PrepareRequest& request) {
  return std::make_unique<TransposeNode>(request);
}

}  // namespace edgeclip::engine
