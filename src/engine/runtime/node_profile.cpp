#include "engine/runtime/node_profile.h"

#include <algorithm>

#include "engine/ops/node_cost.h"
#include "engine/ops/precision.h"

namespace edgeclip::engine {

namespace {

std::string precision_of(const NodeRun& run) {
  std::vector<DType> inputs;
  for (std::size_t i = 0; i < run.inputs.size(); ++i)
    if (run.node.inputs.empty() || run.node.has_input(i)) inputs.push_back(run.inputs[i].dtype);
  return node_precision(run.node, inputs, run.outputs.at(0).dtype);
}

}  // namespace

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
    layer.precision = precision_of(run);
    layer.dtype = dtype_name(run.outputs.at(0).dtype);
    layer.output = shape_string(run.outputs[0].shape);
    layer.bytes = bytes_moved(run.node, run.inputs, run.outputs);
    layer.macs = multiply_accumulates(run.node, run.inputs, run.outputs);
    nodes_.push_back(std::move(layer));
  }
  nodes_[next_++].ms.add(run.seconds * 1e3);
}

std::vector<std::string> NodeProfile::multiplied_precisions() const {
  std::vector<std::string> found;
  for (const Layer& layer : nodes_)
    if (layer.macs > 0 && std::count(found.begin(), found.end(), layer.precision) == 0)
      found.push_back(layer.precision);
  return found;
}

Json NodeProfile::json() const {
  double total = 0;
  std::int64_t macs = 0;
  for (const Layer& layer : nodes_) {
    total += layer.ms.quantile(0.5);
    macs += layer.macs;
  }
  Json layers = Json::array();
  for (const Layer& layer : nodes_) {
    const double ms = layer.ms.quantile(0.5);
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"domain", layer.domain},
                      {"origins", layer.origins},
                      {"kernel", layer.kernel},
                      {"precision", layer.precision},
                      {"dtype", layer.dtype},
                      {"output", layer.output},
                      {"ms", ms},
                      {"share", total > 0 ? ms / total : 0},
                      {"bytes", layer.bytes},
                      {"macs", layer.macs}});
  }
  return {{"runs", nodes_.empty() ? 0 : nodes_.front().ms.count()},
          {"total_ms", total},
          {"total_macs", macs},
          {"layers", layers}};
}

Json NodeProfile::json(const MachinePeaks& peaks, const std::map<std::string, double>& gmacs) const {
  Json layers = json();
  Json result = Json::object();
  for (const char* key : {"runs", "total_ms", "total_macs"}) result[key] = layers[key];
  result["peak_gmacs"] = peaks.gmacs;
  for (const auto& [precision, peak] : gmacs)
    if (precision != "fp32") result["peak_gmacs_" + precision] = peak;
  result["peak_gb_s"] = peaks.gb_s;
  result["peak_buffer_mb"] = peaks.buffer_bytes >> 20;
  result["layers"] = std::move(layers["layers"]);
  for (Json& layer : result["layers"]) {
    MachinePeaks own = peaks;
    if (const auto it = gmacs.find(layer["precision"].get<std::string>()); it != gmacs.end())
      own.gmacs = it->second;
    const double ms = layer["ms"].get<double>(),
                 least = 1e3 * own.attainable_seconds(layer["macs"].get<std::int64_t>(),
                                                      layer["bytes"].get<std::int64_t>());
    layer["roofline_share"] = ms > 0 ? Json(least / ms) : Json(nullptr);
  }
  return result;
}

}  // namespace edgeclip::engine
