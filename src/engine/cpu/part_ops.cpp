#include <algorithm>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/parts.h"
#include "engine/ops/support.h"

/// Operators whose reference kernel is quick enough once it runs on all threads: one element after the other,
/// or one row after the other.
namespace edgeclip::engine {

namespace {

/// Operators of one and more inputs, element by element.
class ElementwiseNode final : public CpuNode {
 public:
  explicit ElementwiseNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    Layouts layouts = PreparedNode::layouts(inputs, outputs, given);
    const Shape& y = outputs[0].shape;
    bool last = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!node.has_input(i)) continue;
      if (inputs[i].shape == y)
        last = last || given[i] == Layout::channels_last;
      else if (inputs[i].elements() != 1)
        return layouts;  // its bytes lie otherwise beside channels that come last
    }
    const auto can_follow = [&](DType dtype) { return moved_as(dtype).has_value(); };
    if (!last || !can_follow(outputs[0].dtype)) return layouts;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (node.has_input(i) && inputs[i].shape == y && !can_follow(inputs[i].dtype)) return layouts;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (node.has_input(i) && inputs[i].shape == y) layouts.inputs[i] = Layout::channels_last;
    layouts.outputs[0] = Layout::channels_last;
    return layouts;
  }

  bool in_place(std::size_t i, const Inputs& inputs, const Outputs& outputs) const override {
    return inputs.size() == 1 && i == 0 && inputs[0].dtype == outputs[0].dtype &&
           inputs[0].shape == outputs[0].shape;
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    return bind_in_parts(node, request, elementwise_parts(request.inputs, request.outputs));
  }
};

/// Operators of rows along an axis, of which those before the axis are computed apart.  Which inputs have the
/// dimensions of the output follows from the operator.
class RowsNode final : public CpuNode {
 public:
  RowsNode(const PrepareRequest& request, std::int64_t axis, std::vector<std::size_t> along)
      : CpuNode(request.node, request.state), axis_(axis), along_(std::move(along)) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const std::size_t axis = normalize_axis(node, axis_, request.inputs[0].shape.size());
    return bind_in_parts(node, request, leading_parts(request.inputs, request.outputs, axis, along_));
  }

  const std::int64_t axis_;
  const std::vector<std::size_t> along_;
};

/// A reduction: what lies before the first axis that goes.
class ReductionNode final : public CpuNode {
 public:
  explicit ReductionNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (node.has_input(1) && request.inputs[1].data == nullptr) return nullptr;
    const std::size_t rank = request.inputs[0].shape.size();
    const auto axes =
        normalize_axes(node, ints_attribute_or_input(node, request.inputs, "axes", 1, {}), rank);
    if (axes.empty()) return nullptr;
    const std::size_t first = *std::min_element(axes.begin(), axes.end());
    return bind_in_parts(node, request, leading_parts(request.inputs, request.outputs, first, {0}));
  }
};

/// GridSample: a sample and some of its channels by themselves.
class GridSampleNode final : public CpuNode {
 public:
  explicit GridSampleNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    Parts parts = leading_parts(request.inputs, request.outputs, 2, {0});
    parts.inputs[1] = {0, Parts::kWhole};
    return bind_in_parts(node, request, parts);
  }
};

/// Attention: samples by themselves, and heads where each query head has a key head of its own.
class AttentionNode final : public CpuNode {
 public:
  explicit AttentionNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    constexpr std::size_t kMask = 3, kKeyLengths = 6;
    const Shape &q = request.inputs[0].shape, &k = request.inputs[1].shape;
    // Where attributes say how many heads there are, a part with fewer would not be what they say.
    const bool heads = q.size() == 4 && q[1] == k[1] && !node.has("q_num_heads") && !node.has("kv_num_heads");
    Parts parts = leading_parts(request.inputs, request.outputs, heads ? 2 : 1, {});
    for (std::size_t i = 0; i < request.inputs.size(); ++i) {
      if (!node.has_input(i)) continue;
      std::vector<int>& along = parts.inputs[i];
      const std::size_t rank = request.inputs[i].shape.size();
      if (i != kMask) {
        along[0] = 0;
        if (heads && i != kKeyLengths) along[1] = 1;
      } else {  // broadcasts to (batch, heads, queries, keys)
        if (rank == 4) along[0] = 0;
        if (heads && rank >= 3) along[1] = static_cast<int>(rank) - 3;
      }
    }
    return bind_in_parts(node, request, parts);
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_attention(const PrepareRequest& request) {
  return std::make_unique<AttentionNode>(request);
}

std::unique_ptr<PreparedNode> prepare_elementwise(const PrepareRequest& request) {
  return std::make_unique<ElementwiseNode>(request);
}

std::unique_ptr<PreparedNode> prepare_rows(const PrepareRequest& request) {
  const Node& node = request.node;
  if (node.op.rfind("Reduce", 0) == 0) return std::make_unique<ReductionNode>(request);
  std::int64_t axis = -1;
  if (node.is("Trilu")) {
    axis = -2;
  } else if (node.is("CumSum") || node.is("CumProd")) {
    if (!request.is_constant(1) || request.constants[1].elements() != 1) return nullptr;
    axis = int_values(node, request.constants[1])[0];
  } else {
    if (node.is("Hardmax") && node.opset < 13) return nullptr;  // all dimensions from the axis on are one row
    axis = node.int_or("axis", node.is("ArgMin") ? 0 : -1);
  }
  return std::make_unique<RowsNode>(request, axis, std::vector<std::size_t>{0});
}

std::unique_ptr<PreparedNode> prepare_grid_sample(const PrepareRequest& request) {
  return std::make_unique<GridSampleNode>(request);
}

}  // namespace edgeclip::engine
