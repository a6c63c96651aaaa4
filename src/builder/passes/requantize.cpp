#include "builder/passes/requantize.h"

#include <algorithm>
#include <cmath>

#include "builder/passes/pattern.h"

// x ─► QuantMatMul | QuantConv ─► y ─► QuantizeLinear(scale, zero point) ─► q
//   ⇒  x ─► QuantMatMul | QuantConv(out_scale, out_zero_point, out_type) ─► q
// so that chains of int8 layers hand each other int8; also through what only picks or moves elements, which
// then does it in int8 (quantization is monotonous: that of a maximum is the maximum of the quantized):
//   layer ─► MaxPool | Reshape | Flatten | Squeeze | Unsqueeze ─► ... ─► QuantizeLinear ─► q
//   layers ─► Concat ─► ... ─► QuantizeLinear ─► q
// Refuses: a value on the way that is a graph output or that others read too (it has to be there in float32);
// a Concat with an input from anything but such layers; a MaxPool with indices; scales that are not one
// constant of float32; types other than uint8 and int8; a layer that is requantized already.
namespace edgeclip::builder {

using namespace engine;

namespace {

struct Requantization {
  float scale;
  std::int64_t zero_point;
  DType dtype;
};

std::optional<Requantization> constant_requantization(const Graph& graph, const Node& node) {
  if (!node.is("QuantizeLinear") || !node.has_input(1) || !node.has_input(2)) return {};
  const auto &scale = graph.value(node.inputs[1]).constant, &zero = graph.value(node.inputs[2]).constant;
  if (!scale || !zero || scale->dtype() != DType::f32 || scale->elements() != 1 || zero->elements() != 1)
    return {};
  const float value = *scale->data<float>();
  if (!(value > 0) || !std::isfinite(value)) return {};
  if (zero->dtype() == DType::u8) return Requantization{value, *zero->data<std::uint8_t>(), DType::u8};
  if (zero->dtype() == DType::i8) return Requantization{value, *zero->data<std::int8_t>(), DType::i8};
  return {};
}

/// What stands between a QuantizeLinear and the layers that its input is made of.
class Sources {
 public:
  Sources(const Graph& graph, const GraphIndex& index) : graph_(graph), index_(index) {}

  /// Whether the value comes from such layers alone, read by nobody else on the way.
  bool find(ValueId id) {
    const Node* node = index_.producer(id);
    if (!node || !index_.read_once(id) || ++steps_ > kMostSteps) return false;
    const std::size_t i = static_cast<std::size_t>(node - graph_.nodes().data());
    if (node->is("QuantMatMul", "edgeclip") || node->is("QuantConv", "edgeclip")) {
      if (!node->string_or("out_type", "").empty()) return false;
      layers.push_back(i);
      return true;
    }
    const bool concat = node->is("Concat");
    if (!concat && !moves_elements(*node)) return false;
    movers.push_back(i);
    const auto end = concat ? node->inputs.end() : node->inputs.begin() + 1;
    return std::all_of(node->inputs.begin(), end, [&](ValueId input) { return find(input); });
  }

  std::vector<std::size_t> layers, movers;

 private:
  static constexpr int kMostSteps = 1000;

  static bool moves_elements(const Node& node) {
    if (node.is("MaxPool"))
      return std::count(node.outputs.begin() + 1, node.outputs.end(), kNoValue) + 1 ==
             static_cast<std::ptrdiff_t>(node.outputs.size());
    return node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze");
  }

  const Graph& graph_;
  const GraphIndex& index_;
  int steps_ = 0;
};

bool rewrite(Graph& graph, const GraphIndex& index, std::size_t i) {
  const Node quantize = graph.nodes()[i];
  const auto wanted = constant_requantization(graph, quantize);
  if (!wanted) return false;
  Sources sources(graph, index);
  if (!sources.find(quantize.inputs[0])) return false;
  for (const std::size_t l : sources.layers) {
    Node& layer = graph.nodes()[l];
    layer.attributes["out_scale"] = wanted->scale;
    layer.attributes["out_zero_point"] = wanted->zero_point;
    layer.attributes["out_type"] = std::string(wanted->dtype == DType::u8 ? "uint8" : "int8");
    graph.value(layer.outputs[0]).dtype = wanted->dtype;
    add_origins(layer, quantize);
  }
  for (const std::size_t m : sources.movers) {
    Node& mover = graph.nodes()[m];
    graph.value(mover.outputs[0]).dtype = wanted->dtype;
    if (mover.is("MaxPool")) mover.opset = std::max(mover.opset, 12);  // the first that takes int8
  }
  // What gave the QuantizeLinear its input now gives its output.
  const std::size_t last = sources.movers.empty() ? sources.layers.front() : sources.movers.front();
  graph.nodes()[last].outputs[0] = quantize.outputs[0];
  graph.nodes()[i].outputs.clear();  // dead
  return true;
}

}  // namespace

int requantize(Graph& graph) { return rewrite_nodes(graph, rewrite); }

}  // namespace edgeclip::builder
