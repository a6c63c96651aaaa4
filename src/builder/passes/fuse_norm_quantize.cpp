#include "builder/passes/fuse_norm_quantize.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// x ─► LayerNormalization(last axis) ─► y ─► QuantizeRows ─► q, q_scale      ⇒  LayerNormQuantizeRows(x) ─► q,
//                                                                               q_scale [, y]
// A row is normalized and quantized while it lies in the cache.  y stays where others read it (a residual,
// another product in float) or it is a graph output.
// Refuses: another axis, a scale or shift that is not one row of float32, a mean or deviation that is read.
namespace edgeclip::builder {

using namespace engine;

namespace {

bool normalizes_last_axis(const Node& norm, const ShapeFacts& facts) {
  const auto shape = facts.shape(norm.inputs[0]);
  if (!shape || shape->empty() || facts.dtype(norm.inputs[0]) != DType::f32) return false;
  const std::int64_t axis = norm.int_or("axis", -1);
  if (axis != -1 && axis + 1 != static_cast<std::int64_t>(shape->size())) return false;
  for (std::size_t i = 1; i < norm.inputs.size(); ++i)
    if (norm.has_input(i) && (facts.dtype(norm.inputs[i]) != DType::f32 || shape->back() < 0 ||
                              facts.shape(norm.inputs[i]) != Shape{shape->back()}))
      return false;
  return std::count(norm.outputs.begin(), norm.outputs.end(), kNoValue) + 1 ==
         static_cast<std::ptrdiff_t>(norm.outputs.size());
}

/// The first QuantizeRows that reads y, and how many nodes do.
std::optional<std::size_t> quantizer_of(const Graph& graph, ValueId y, std::size_t* readers) {
  std::optional<std::size_t> found;
  const auto consumers = graph.consumers(y);
  for (const std::size_t i : consumers)
    if (!found && graph.nodes()[i].is("QuantizeRows", "edgeclip")) found = i;
  *readers = consumers.size();
  return found;
}

}  // namespace

int fuse_norm_quantize(Graph& graph) {
  const ShapeFacts facts(graph);
  int count = 0;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    if (!graph.nodes()[i].is("LayerNormalization") || !normalizes_last_axis(graph.nodes()[i], facts)) continue;
    const ValueId y = graph.nodes()[i].outputs[0];
    std::size_t readers = 0;
    const auto quantizer = quantizer_of(graph, y, &readers);
    if (!quantizer) continue;
    const Node rows = graph.nodes()[*quantizer];
    Node& norm = graph.nodes()[i];
    const float epsilon = norm.float_or("epsilon", 1e-5F);
    become(norm, "LayerNormQuantizeRows", norm.inputs, {{"epsilon", epsilon}});
    norm.outputs = rows.outputs;
    norm.outputs.resize(2, kNoValue);
    if (readers > 1 || graph.is_output(y)) norm.outputs.push_back(y);
    add_origins(norm, rows);
    graph.nodes().erase(graph.nodes().begin() + static_cast<std::ptrdiff_t>(*quantizer));
    ++count;
  }
  if (count > 0) graph.remove_dead();
  return count;
}

}  // namespace edgeclip::builder
