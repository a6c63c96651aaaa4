#include "builder/quantize/quantize_graph.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "builder/quantize/calibrate_graph.h"
#include "builder/quantize/measure_sqnr.h"
#include "builder/quantize/quantizable_layers.h"
#include "builder/quantize/quantize_layers.h"
#include "engine/ops/precision.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// An input of the graph, or one that only changed its type.
bool is_input(const Graph& graph, ValueId id) {
  for (const Node& node : graph.nodes())
    if (node.is("Cast") && node.outputs[0] == id) return is_input(graph, node.inputs[0]);
  return std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
}

/// The patches of an image: an input whose elements were only moved, into rows.
bool is_patches(const Graph& graph, ValueId id, bool moved = false) {
  for (const Node& node : graph.nodes()) {
    if (node.outputs[0] != id) continue;
    const bool moves = node.is("Transpose");
    return (moves || node.is("Reshape") || node.is("Cast")) && is_patches(graph, node.inputs[0], moved || moves);
  }
  return moved && is_input(graph, id);
}

using Ranges = std::map<std::string, TensorCalibration>;

/// The range of a value, or of the one that it was picked from: rows that passes pick have no name in the model.
Ranges::const_iterator range_of(const Graph& graph, ValueId id, const Ranges& ranges) {
  for (;;) {
    const auto found = ranges.find(graph.value(id).name);
    if (found != ranges.end()) return found;
    const auto producer = graph.producer(id);
    if (!producer) return ranges.end();
    const Node& node = graph.nodes()[*producer];
    if (!node.is("Gather") && !node.is("GatherND") && !node.is("Squeeze") && !node.is("Unsqueeze")) return ranges.end();
    id = node.inputs[0];
  }
}

/// Scales (and means) of the layers' activations by name, from samples or ranges; nothing without either.
void find_scales(const Graph& graph, const std::vector<QuantizableLayer>& layers, const GraphQuantization& how,
                 LayerQuantization* quantization) {
  std::set<std::string> wanted;
  for (const QuantizableLayer& layer : layers) {
    wanted.insert(graph.value(layer.activation).name);
    if (layer.residual != kNoValue) wanted.insert(graph.value(layer.residual).name);
  }
  std::map<std::string, TensorCalibration> found;
  if (how.ranges) found = *how.ranges;
  if (how.samples && !wanted.empty())
    found = calibrate_graph(graph, wanted, *how.samples, how.options, how.where + ": " + how.label);
  for (const QuantizableLayer& layer : layers)
    for (const ValueId id : {layer.activation, layer.residual}) {
      if (id == kNoValue) continue;
      const auto range = range_of(graph, id, found);
      if (range == found.end()) continue;
      quantization->activations[graph.value(id).name] = range->second.scale;
      if (!range->second.mean.empty()) quantization->means[graph.value(id).name] = range->second.mean;
    }
}

/// all: products and convolutions of the graph; uncalibrated: convolutions that only want for ranges.
void say_how_many(const GraphQuantization& how, int done, std::size_t all, std::int64_t uncalibrated) {
  if (all == 0)
    spdlog::warn("{}: has no product or convolution with constant weights, so none of it becomes int8",
                 how.label);
  else if (uncalibrated > 0)
    spdlog::warn(
        "{}: {} of {} products and convolutions are int8: {} convolutions stay float32, since their "
        "activations are not calibrated; {}",
        how.label, done, all, uncalibrated, how.remedy);
  else if (done == 0)
    spdlog::warn("{}: none of {} products and convolutions becomes int8", how.label, all);
  else
    spdlog::info("{}: {} of {} products and convolutions are int8{}", how.label, done, all,
                 how.samples || how.ranges
                     ? ""
                     : "; without calibration activations are quantized row by row as they come");
}

}  // namespace

LayerQuantization layer_quantization(const Graph& graph, const GraphQuantization& how) {
  LayerQuantization layers;
  layers.exclude = how.options.exclude;
  layers.weight_bits = how.weight_bits;
  layers.per_row = !how.samples && !how.ranges;
  std::vector<QuantizableLayer> candidates;
  for (const QuantizableLayer& layer : quantizable_layers(graph, how.options.exclude)) {
    if (layer.convolution && is_input(graph, layer.activation))
      layers.stay.insert(layer.key);
    else if (!layer.convolution && is_patches(graph, layer.activation))
      layers.by_row.insert(layer.key);
    else
      candidates.push_back(layer);
  }
  find_scales(graph, candidates, how, &layers);
  return layers;
}

QuantizedGraph quantize_graph(Graph& graph, const GraphQuantization& how) {
  LayerQuantization layers = layer_quantization(graph, how);
  std::int64_t uncalibrated = 0;
  if (layers.per_row)
    for (const QuantizableLayer& layer : quantizable_layers(graph, how.options.exclude))
      uncalibrated += layer.convolution && !layers.stay.count(layer.key) ? 1 : 0;
  QuantizedGraph done;
  if (how.min_sqnr) {
    EDGECLIP_CHECK(how.samples, "mixed without samples");
    done.sqnr = measure_sqnr(graph, layers, *how.samples, how.where);
    for (const auto& [key, ratio] : done.sqnr)
      if (!(ratio >= *how.min_sqnr)) layers.stay.insert(key);
  }
  const auto int8_already = std::count_if(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
    return node.is("QuantMatMul", "edgeclip") || node.is("QuantConv", "edgeclip");
  });
  const std::size_t all = quantizable_layers(graph).size() + static_cast<std::size_t>(int8_already);
  done.layers = quantize_layers(graph, layers, how.where);
  say_how_many(how, done.layers + static_cast<int>(int8_already), all, uncalibrated);
  return done;
}

Json layers_report(const Graph& graph, const std::map<std::string, double>& sqnr) {
  Json layers = Json::array();
  int count = 0;
  for (const Node& node : graph.nodes()) {
    if (!reads_weights(node) || !graph.value(node.inputs[1]).is_constant()) continue;
    const bool product = node.is("QuantMatMul", "edgeclip"),
               int8 = product || node.is("QuantConv", "edgeclip");
    const auto ratio = sqnr.find(graph.value(node.outputs[0]).name);
    count += int8 ? 1 : 0;
    layers.push_back({{"name", node.name},
                      {"op", node.op},
                      {"precision", node_precision(node, {graph.value(node.inputs[1]).dtype}, DType::f32)},
                      {"activations", !int8                          ? Json(nullptr)
                                      : product && node.has_input(5) ? Json("row")
                                                                     : Json("tensor")},
                      {"sqnr_db", ratio != sqnr.end() ? Json(ratio->second) : Json(nullptr)}});
  }
  return {{"int8_layers", count}, {"layers", layers}};
}

}  // namespace edgeclip::builder
