#include "onnx/opset/lower.h"

namespace edgeclip::onnx_ir {

// Axes of a reduction are an input from opset 18 on (of ReduceSum: 13), an attribute before.
void lower_reduce_axes(const ::onnx::NodeProto& node, NodeRewriter& graph) {
  ::onnx::NodeProto& lowered = graph.replace(node, node.op_type(), {node.input(0)});
  *lowered.mutable_attribute() = node.attribute();
  set_integers(lowered, "axes", graph.values_of(node.input(1)));
}

}  // namespace edgeclip::onnx_ir
