#include "builder/passes/widen_half.h"

#include <algorithm>
#include <map>

#include "base/float16.h"
#include "engine/graph/shape_inference.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// TensorProto.DataType.
constexpr std::int64_t kFloat = 1, kFloat16 = 10, kBFloat16 = 16;

void insert_cast(Graph& graph, std::size_t at, ValueId from, ValueId to, std::int64_t type) {
  Node cast;
  cast.name = graph.value(to).name;
  cast.op = "Cast";
  cast.opset = 13;
  cast.inputs = {from};
  cast.outputs = {to};
  cast.attributes["to"] = type;
  graph.add_node(std::move(cast), at);
}

std::int64_t onnx_type(DType dtype) { return dtype == DType::f16 ? kFloat16 : kBFloat16; }

/// Another value of the same shape in float32.
ValueId add_twin(Graph& graph, ValueId id, const std::string& suffix) {
  Value twin = graph.value(id);
  twin.name += suffix;
  twin.dtype = DType::f32;
  twin.constant.reset();
  return graph.add_value(std::move(twin));
}

void widen_attributes(Node& node) {
  for (const char* key : {"to", "dtype", "output_dtype", "precision", "softmax_precision"}) {
    const auto it = node.attributes.find(key);
    if (it == node.attributes.end()) continue;
    if (auto* type = std::get_if<std::int64_t>(&it->second))
      if (*type == kFloat16 || *type == kBFloat16) *type = kFloat;
  }
  for (auto& entry : node.attributes)
    if (auto* tensor = std::get_if<Tensor>(&entry.second))
      if (is_16_bit_float(tensor->dtype())) *tensor = widened(tensor->view());
}

}  // namespace

int widen_half(Graph& graph) {
  const ShapeFacts facts(graph);
  const auto half = [&](ValueId id) {
    const Value& value = graph.value(id);
    if (value.is_constant()) return is_16_bit_float(value.constant->dtype());
    const auto dtype = facts.dtype(id);
    return is_16_bit_float(dtype ? *dtype : value.dtype);
  };
  std::vector<ValueId> narrow;  // ascending
  std::map<ValueId, DType> types;
  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (!half(id)) continue;
    narrow.push_back(id);
    const auto dtype = facts.dtype(id);
    types[id] = dtype ? *dtype : graph.value(id).dtype;
  }
  const bool computes = std::any_of(graph.nodes().begin(), graph.nodes().end(), [&](const Node& node) {
    return !node.is("Cast") && std::any_of(node.outputs.begin(), node.outputs.end(),
                                           [&](ValueId id) { return id != kNoValue && half(id); });
  });
  if (!computes) return 0;

  const auto is_narrow = [&](ValueId id) { return std::binary_search(narrow.begin(), narrow.end(), id); };
  // What comes in and goes out keeps its type; a twin in float32 takes its place inside.
  const std::vector<ValueId> inputs = graph.inputs, outputs = graph.outputs;
  for (const ValueId id : inputs) {
    if (!is_narrow(id)) continue;
    const ValueId wide = add_twin(graph, id, ".wide");
    graph.replace_uses(id, wide);
    insert_cast(graph, 0, id, wide, kFloat);
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const ValueId id = graph.outputs[i];
    const bool twin = id != outputs[i];  // an input that is an output as well: its twin by now
    if (twin) graph.outputs[i] = outputs[i];
    if (twin || !is_narrow(id)) continue;
    if (std::count(outputs.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(i), id) > 0) continue;
    const ValueId wide = add_twin(graph, id, ".wide");
    for (Node& node : graph.nodes()) {
      std::replace(node.inputs.begin(), node.inputs.end(), id, wide);
      std::replace(node.outputs.begin(), node.outputs.end(), id, wide);
    }
    if (graph.value(id).is_constant())
      graph.value(wide).constant = widened(graph.value(id).constant->view());
    else
      insert_cast(graph, graph.nodes().size(), wide, id, onnx_type(types.at(id)));
  }
  // The 16-bit values that are left: only the Casts made above touch them.
  const auto outside = [&](ValueId id) {
    return is_narrow(id) && (std::count(inputs.begin(), inputs.end(), id) > 0 ||
                             std::count(outputs.begin(), outputs.end(), id) > 0);
  };
  for (Node& node : graph.nodes()) {
    const bool made_above = node.is("Cast") && (outside(node.inputs[0]) || outside(node.outputs[0]));
    if (!made_above) widen_attributes(node);
  }
  for (const ValueId id : narrow) {
    if (outside(id)) continue;
    Value& value = graph.value(id);
    if (value.is_constant()) value.constant = widened(value.constant->view());
    value.dtype = DType::f32;
  }
  graph.check();
  return static_cast<int>(narrow.size());
}

}  // namespace edgeclip::builder
