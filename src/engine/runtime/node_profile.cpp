#include "engine/runtime/node_profile.h"

#include <algorithm>

#include "base/measure.h"

namespace edgeclip::engine {

NodeProfile::NodeProfile(Context& context) {
  context.set_observer([this](const NodeRun& run) { add(run); });
}

void NodeProfile::add(const NodeRun& run) {
  const auto same = [&](const Layer& layer) {
    return layer.name == run.node.name && layer.op == run.node.op &&
           layer.output == shape_string(run.outputs.at(0).shape);
  };
  // Nodes come in the same order in every run of the same shapes.
  if (next_ >= nodes_.size() || !same(nodes_[next_])) {
    const auto it = std::find_if(nodes_.begin(), nodes_.end(), same);
    next_ = static_cast<std::size_t>(it - nodes_.begin());
  }
  if (next_ == nodes_.size()) {
    Layer layer;
    layer.name = run.node.name;
    layer.op = run.node.op;
    layer.domain = run.node.domain;
    layer.origins = run.node.origins;
    layer.kernel = run.kernel;
    layer.dtype = dtype_name(run.outputs.at(0).dtype);
    layer.output = shape_string(run.outputs[0].shape);
    for (const TensorView& input : run.inputs) layer.bytes += static_cast<std::int64_t>(input.bytes());
    for (const OutputView& output : run.outputs)
      layer.bytes += static_cast<std::int64_t>(output.view().bytes());
    nodes_.push_back(std::move(layer));
  }
  nodes_[next_++].ms.push_back(run.seconds * 1e3);
}

Json NodeProfile::json() const {
  double total = 0;
  for (const Layer& layer : nodes_) total += percentile(layer.ms, 0.5);
  Json layers = Json::array();
  for (const Layer& layer : nodes_) {
    const double ms = percentile(layer.ms, 0.5);
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"domain", layer.domain},
                      {"origins", layer.origins},
                      {"kernel", layer.kernel},
                      {"dtype", layer.dtype},
                      {"output", layer.output},
                      {"ms", ms},
                      {"share", total > 0 ? ms / total : 0},
                      {"bytes", layer.bytes}});
  }
  return {{"runs", nodes_.empty() ? 0 : nodes_.front().ms.size()}, {"total_ms", total}, {"layers", layers}};
}

}  // namespace edgeclip::engine
