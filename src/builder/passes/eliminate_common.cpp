#include "builder/passes/eliminate_common.h"

#include <cstring>
#include <unordered_map>
#include <vector>

// x ─┬─► F(a) ─► y      ⇒  x ─► F(a) ─► y = z
//    └─► F(a) ─► z
// Nodes of one operator with the same attributes and inputs, constants of up to a kilobyte being the same if
// their type, shape and bytes are.  Exporters write a mask, a size or a scale once for every layer that uses
// it.  Refuses nodes that give a graph output (outputs keep their names); every operator of the engine gives
// the same for the same inputs.
namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr std::size_t kSmallConstant = 1024;  ///< bytes; weights are not worth comparing

void append(std::string& key, const void* data, std::size_t bytes) {
  const auto length = static_cast<std::uint64_t>(bytes);
  key.append(reinterpret_cast<const char*>(&length), sizeof length);
  key.append(static_cast<const char*>(data), bytes);
}
void append(std::string& key, const std::string& text) { append(key, text.data(), text.size()); }
void append(std::string& key, std::int64_t number) { append(key, &number, sizeof number); }

void append(std::string& key, const Tensor& tensor) {
  append(key, static_cast<std::int64_t>(tensor.dtype()));
  append(key, tensor.shape().data(), tensor.shape().size() * sizeof(std::int64_t));
  append(key, tensor.raw(), tensor.bytes());
}

struct AppendAttribute {
  std::string& key;
  void operator()(std::int64_t v) const { append(key, v); }
  void operator()(float v) const { append(key, &v, sizeof v); }
  void operator()(const std::string& v) const { append(key, v); }
  void operator()(const std::vector<std::int64_t>& v) const {
    append(key, v.data(), v.size() * sizeof(std::int64_t));
  }
  void operator()(const std::vector<float>& v) const { append(key, v.data(), v.size() * sizeof(float)); }
  void operator()(const std::vector<std::string>& v) const {
    append(key, static_cast<std::int64_t>(v.size()));
    for (const std::string& one : v) append(key, one);
  }
  void operator()(const Tensor& v) const { append(key, v); }
};

/// The same for two nodes if and only if they compute the same.
std::string key_of(const Node& node) {
  std::string key;
  append(key, node.domain);
  append(key, node.op);
  append(key, node.opset);
  append(key, node.inputs.data(), node.inputs.size() * sizeof(ValueId));
  append(key, static_cast<std::int64_t>(node.outputs.size()));
  for (const ValueId id : node.outputs) append(key, id == kNoValue ? 0 : 1);
  for (const auto& [name, value] : node.attributes) {
    append(key, name);
    append(key, static_cast<std::int64_t>(value.index()));
    std::visit(AppendAttribute{key}, value);
  }
  return key;
}

/// For every value the first constant that holds the same; itself where there is none.
std::vector<ValueId> first_constants(const Graph& graph) {
  std::vector<ValueId> same(graph.value_count());
  std::unordered_map<std::string, ValueId> seen;
  for (std::size_t i = 0; i < same.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    const auto& constant = graph.value(id).constant;
    same[i] = id;
    if (!constant || constant->bytes() > kSmallConstant || graph.is_output(id)) continue;
    std::string key;
    append(key, *constant);
    same[i] = seen.emplace(std::move(key), id).first->second;
  }
  return same;
}

bool gives_output(const Graph& graph, const Node& node) {
  for (const ValueId id : node.outputs)
    if (id != kNoValue && graph.is_output(id)) return true;
  return false;
}

}  // namespace

int eliminate_common(Graph& graph) {
  std::vector<ValueId> same = first_constants(graph);
  std::unordered_map<std::string, std::size_t> seen;
  int count = 0;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    Node& node = graph.nodes()[i];
    for (ValueId& id : node.inputs)
      if (id != kNoValue) id = same[static_cast<std::size_t>(id)];
    if (gives_output(graph, node)) continue;
    const auto [it, first] = seen.emplace(key_of(node), i);
    if (first) continue;
    Node& kept = graph.nodes()[it->second];
    for (std::size_t k = 0; k < node.outputs.size(); ++k)
      if (node.outputs[k] != kNoValue) same[static_cast<std::size_t>(node.outputs[k])] = kept.outputs[k];
    add_origins(kept, node);
    ++count;
  }
  if (count > 0) graph.remove_dead();
  return count;
}

}  // namespace edgeclip::builder
