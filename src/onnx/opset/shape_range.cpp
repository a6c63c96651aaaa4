#include "onnx/opset/lower.h"

namespace edgeclip::onnx_ir {

// Shape with start and end, from opset 15, is the whole shape and a Slice before.
void lower_shape_range(const ::onnx::NodeProto& node, NodeRewriter& graph) {
  const auto *start = attribute_of(node, "start"), *end = attribute_of(node, "end");
  if (start == nullptr && end == nullptr) {
    graph.replace(node, "Shape", {node.input(0)});
    return;
  }
  const std::string shape = graph.add_within(node, "Shape", {node.input(0)});
  const std::int64_t last = end == nullptr ? INT64_MAX : end->i();
  graph.replace(node, "Slice",
                {shape, graph.integers(node, {start == nullptr ? 0 : start->i()}, "start"),
                 graph.integers(node, {last}, "end"), graph.integers(node, {0}, "axis")});
}

}  // namespace edgeclip::onnx_ir
