#include "builder/quantize/measure_sqnr.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/progress.h"
#include "base/signals.h"
#include "builder/quantize/calibrate_graph.h"
#include "builder/quantize/quantizable_layers.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr std::int64_t kSamples = 16;

/// One layer in its quantized form, and what it was compared with so far.
struct MeasuredLayer {
  std::string key;
  std::vector<ValueId> inputs;  ///< in the whole graph, of those of `quantized`
  ValueId output;
  std::unique_ptr<Session> session;
  std::unique_ptr<Context> context;
  double signal = 0, noise = 0;
};

/// The layer by itself, its activations as inputs.
Graph alone(const Graph& graph, const Node& layer, std::vector<ValueId>* inputs) {
  Graph one;
  std::map<ValueId, ValueId> ids;
  Node node = layer;
  const auto copied = [&](ValueId id) {
    if (id == kNoValue) return kNoValue;
    const auto [it, fresh] = ids.try_emplace(id, kNoValue);
    if (!fresh) return it->second;
    Value value = graph.value(id);
    value.symbols.clear();
    const bool input = !value.is_constant();
    it->second = one.add_value(std::move(value));
    if (input) {
      one.inputs.push_back(it->second);
      inputs->push_back(id);
    }
    return it->second;
  };
  for (ValueId& id : node.inputs) id = copied(id);
  Value result = graph.value(layer.outputs[0]);
  result.symbols.clear();
  node.outputs = {one.add_value(std::move(result))};
  one.outputs = node.outputs;
  one.add_node(std::move(node));
  return one;
}

std::vector<MeasuredLayer> quantized_layers(const Graph& graph, const LayerQuantization& how,
                                            const std::string& where) {
  std::vector<MeasuredLayer> layers;
  for (const QuantizableLayer& layer : quantizable_layers(graph, how.exclude)) {
    const Node& node = graph.nodes()[layer.node];
    MeasuredLayer measured;
    Graph one = alone(graph, node, &measured.inputs);
    if (quantize_layers(one, how, where) == 0) continue;
    measured.key = layer.key;
    measured.output = node.outputs[0];
    measured.session = std::make_unique<Session>(std::move(one), calibration_session_options());
    measured.context = std::make_unique<Context>(*measured.session);
    layers.push_back(std::move(measured));
  }
  return layers;
}

void add(const Tensor& want, const Tensor& got, MeasuredLayer& layer) {
  const float *y = want.data<float>(), *q = got.data<float>();
  for (std::int64_t i = 0; i < want.elements(); ++i) {
    const double value = static_cast<double>(y[i]), error = value - static_cast<double>(q[i]);
    layer.signal += value * value;
    layer.noise += error * error;
  }
}

}  // namespace

double decibels(double signal, double noise) {
  if (!std::isfinite(signal) || !std::isfinite(noise)) return -kMostDecibels;
  return noise > 0 ? std::clamp(10 * std::log10(signal / noise), -kMostDecibels, kMostDecibels) : kMostDecibels;
}

std::map<std::string, double> measure_sqnr(const Graph& graph, const LayerQuantization& how,
                                           const CalibrationSamples& samples, const std::string& where) {
  std::vector<MeasuredLayer> layers = quantized_layers(graph, how, where);
  // The values around the layers, as outputs: those come back plain, and nothing is written over them.
  Graph whole = graph;
  std::map<ValueId, std::size_t> places;
  whole.outputs.clear();
  const auto keep = [&](ValueId id) {
    if (places.try_emplace(id, whole.outputs.size()).second) whole.outputs.push_back(id);
  };
  for (const MeasuredLayer& layer : layers) {
    for (const ValueId id : layer.inputs) keep(id);
    keep(layer.output);
  }
  std::map<std::string, double> ratios;
  if (layers.empty()) return ratios;

  const Session session(std::move(whole), calibration_session_options());
  Context context(session);
  Progress progress("measure", std::min(samples.samples(), kSamples), "samples");
  for (std::int64_t i = 0, done = 0; i < samples.batches() && done < kSamples; ++i) {
    throw_if_interrupted();
    const std::vector<Tensor> inputs = samples.batch(i);
    std::vector<TensorView> views;
    for (const Tensor& input : inputs) views.push_back(input.view());
    const std::vector<Tensor> values = context.run(views);
    for (MeasuredLayer& layer : layers) {
      throw_if_interrupted();
      std::vector<TensorView> given;
      for (const ValueId id : layer.inputs) given.push_back(values.at(places.at(id)).view());
      add(values.at(places.at(layer.output)), layer.context->run(given).at(0), layer);
    }
    const std::int64_t ran = (samples.samples() + samples.batches() - 1) / samples.batches();
    done += ran;
    progress.advance(ran);
  }
  for (const MeasuredLayer& layer : layers) ratios[layer.key] = decibels(layer.signal, layer.noise);
  return ratios;
}

}  // namespace edgeclip::builder
