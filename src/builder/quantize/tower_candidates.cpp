#include "builder/quantize/tower_candidates.h"

#include "builder/passes/fuse_norm_quantize.h"
#include "builder/passes/passes.h"
#include "builder/passes/requantize.h"
#include "builder/precision/quantize_tables.h"
#include "builder/quantize/calibrate_graph.h"
#include "builder/quantize/smooth.h"
#include "engine/runtime/context_pool.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// Names of the nodes whose right input is constant.
std::set<std::string> nodes_of_weights(const Graph& graph) {
  std::set<std::string> names;
  for (const Node& node : graph.nodes())
    if (reads_weights(node) && graph.value(node.inputs[1]).is_constant()) names.insert(node.name);
  return names;
}

struct OpenTower {
  explicit OpenTower(Graph graph)
      : session(std::move(graph), calibration_session_options()), contexts(session) {}
  const Session session;
  ContextPool contexts;
};

}  // namespace

TowerCandidates::TowerCandidates(Graph graph, GraphQuantization how)
    : graph_(std::move(graph)), how_(std::move(how)) {
  const std::set<std::string> products = nodes_of_weights(graph_);
  if (how_.ranges) set_constants(graph_, smoothed_constants(graph_, *how_.ranges, how_.where));
  optimize(graph_);
  quantization_ = layer_quantization(graph_, how_);
  for (const QuantizableLayer& layer : quantizable_layers(graph_, how_.options.exclude)) {
    if (!becomes_int8(graph_, layer, quantization_)) continue;
    const Node& node = graph_.nodes()[layer.node];
    std::set<std::string> names(node.origins.begin(), node.origins.end());
    names.insert(node.name);
    Layer made{node.name, layer.key, {}};
    for (const std::string& name : names)
      if (products.count(name)) made.nodes.push_back(name);
    layers_.push_back(std::move(made));
  }
}

RunTower TowerCandidates::tower(const std::set<std::string>& int8, bool tables) const {
  Graph graph = graph_;
  LayerQuantization how = quantization_;
  for (const Layer& layer : layers_)
    if (!int8.count(layer.key)) how.stay.insert(layer.key);
  quantize_layers(graph, how, how_.where);
  if (tables) quantize_tables(graph, how_.options.exclude);
  requantize(graph);
  fuse_norm_quantize(graph);
  const auto open = std::make_shared<OpenTower>(std::move(graph));
  return [open](const TensorView& input) { return ContextPool::Lease(open->contexts)->run({input}).at(0); };
}

}  // namespace edgeclip::builder
