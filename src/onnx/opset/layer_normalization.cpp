#include "base/error.h"
#include "onnx/opset/lower.h"

namespace edgeclip::onnx_ir {

namespace {

std::string mean(const ::onnx::NodeProto& of, NodeRewriter& graph, const std::string& x) {
  const std::string y = graph.add_within(of, "ReduceMean", {x});
  set_integers(graph.last(), "axes", {-1});
  set_integer(graph.last(), "keepdims", 1);
  return y;
}

}  // namespace

// LayerNormalization over the last axis, from opset 17, in the form that runtimes look for:
// x ─┬─────────► Sub ─┬─────────────────────────────────────────► Div ─► Mul(weight) ─► Add(bias) ─► y
//    └► ReduceMean ►┘ └► Pow(2) ─► ReduceMean ─► Add(ε) ─► Sqrt ─►┘
void lower_layer_normalization(const ::onnx::NodeProto& node, NodeRewriter& graph) {
  const auto *axis = attribute_of(node, "axis"), *epsilon = attribute_of(node, "epsilon");
  EDGECLIP_CHECK(node.input_size() == 3, "{}: LayerNormalization without a bias", node.name());
  EDGECLIP_CHECK(axis == nullptr || axis->i() == -1, "{}: LayerNormalization from axis {}", node.name(), axis->i());
  const std::string& x = node.input(0);
  const std::string centred = graph.add_within(node, "Sub", {x, mean(node, graph, x)});
  const std::string squares = graph.add_within(node, "Pow", {centred, graph.scalar(node, 2.0f, "two")});
  const std::string variance = mean(node, graph, squares);
  const float eps = epsilon == nullptr ? 1e-5f : epsilon->f();
  const std::string deviation =
      graph.add_within(node, "Sqrt", {graph.add_within(node, "Add", {variance, graph.scalar(node, eps, "epsilon")})});
  const std::string normalized = graph.add_within(node, "Div", {centred, deviation});
  graph.replace(node, "Add", {graph.add_within(node, "Mul", {normalized, node.input(1)}), node.input(2)});
}

}  // namespace edgeclip::onnx_ir
