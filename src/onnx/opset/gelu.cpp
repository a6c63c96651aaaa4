#include <cmath>

#include "onnx/opset/lower.h"

namespace edgeclip::onnx_ir {

// Gelu, from opset 20, as all exporters have written it before:
// x ─► Div(√2) ─► Erf ─► Add(1) ─► Mul ─► Mul(0.5) ─► y
// └───────────────────────────────►┘
void lower_gelu(const ::onnx::NodeProto& node, NodeRewriter& graph) {
  const std::string& x = node.input(0);
  const std::string scaled = graph.add_within(node, "Div", {x, graph.scalar(node, static_cast<float>(std::sqrt(2.0)), "sqrt2")});
  const std::string erf = graph.add_within(node, "Erf", {scaled});
  const std::string phi = graph.add_within(node, "Add", {erf, graph.scalar(node, 1.0f, "one")});
  const std::string doubled = graph.add_within(node, "Mul", {x, phi});
  graph.replace(node, "Mul", {doubled, graph.scalar(node, 0.5f, "half")});
}

}  // namespace edgeclip::onnx_ir
