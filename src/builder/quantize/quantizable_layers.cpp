#include "builder/quantize/quantizable_layers.h"

#include <algorithm>

#include "bundle/excluded.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

bool is_product(const Node& node) { return node.is("MatMul") || node.is("FusedMatMul", "edgeclip"); }
bool is_convolution(const Node& node) { return node.is("Conv") || node.is("FusedConv", "edgeclip"); }

bool is_excluded(const Graph& graph, const Node& node, const std::vector<std::string>& exclude) {
  std::vector<std::string> names = node.origins;
  names.push_back(node.name);
  names.push_back(graph.value(node.inputs[1]).name);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return has_excluded_part(name, exclude); });
}

}  // namespace

bool reads_weights(const Node& node) {
  return is_product(node) || is_convolution(node) || node.is("QuantMatMul", "edgeclip") ||
         node.is("QuantConv", "edgeclip");
}

std::vector<QuantizableLayer> quantizable_layers(const Graph& graph,
                                                 const std::vector<std::string>& exclude) {
  std::vector<QuantizableLayer> layers;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const bool convolution = is_convolution(node);
    if (!convolution && !is_product(node)) continue;
    const Value &x = graph.value(node.inputs[0]), &w = graph.value(node.inputs[1]);
    if (!w.is_constant() || w.constant->dtype() != DType::f32 || w.constant->elements() == 0 ||
        x.is_constant() || x.dtype != DType::f32)
      continue;
    const std::size_t rank = w.constant->shape().size();
    if (convolution ? rank < 3 || rank > 5 : rank != 2) continue;
    if (node.is("MatMul") && (!x.shape || x.shape->size() < 2)) continue;  // a vector
    if (is_excluded(graph, node, exclude)) continue;
    const ValueId residual = convolution && node.has_input(3) ? node.inputs[3] : kNoValue;
    layers.push_back({i, convolution, node.inputs[0], node.inputs[1], residual, graph.value(node.outputs[0]).name});
  }
  return layers;
}

}  // namespace edgeclip::builder
