#include "engine/graph/graph.h"

#include <algorithm>
#include <utility>

namespace edgeclip::engine {

namespace {

template <class T>
const T* find_attribute(const Node& node, const std::string& key) {
  const auto it = node.attributes.find(key);
  if (it == node.attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&it->second);
  EDGECLIP_CHECK(value, "node {} ({}): attribute {} is of another type", node.name, node.op, key);
  return value;
}

template <class T>
T attribute_or(const Node& node, const std::string& key, const T& otherwise) {
  const T* value = find_attribute<T>(node, key);
  return value ? *value : otherwise;
}

}  // namespace

std::int64_t Node::int_or(const std::string& key, std::int64_t otherwise) const {
  return attribute_or(*this, key, otherwise);
}

float Node::float_or(const std::string& key, float otherwise) const {
  return attribute_or(*this, key, otherwise);
}

std::string Node::string_or(const std::string& key, const std::string& otherwise) const {
  return attribute_or(*this, key, otherwise);
}

std::vector<std::int64_t> Node::ints_or(const std::string& key,
                                        const std::vector<std::int64_t>& otherwise) const {
  return attribute_or(*this, key, otherwise);
}

void add_origins(Node& node, const Node& swallowed) {
  for (const std::string& name : swallowed.origins)
    if (std::find(node.origins.begin(), node.origins.end(), name) == node.origins.end())
      node.origins.push_back(name);
}

void Graph::verify_attributes(const Node& node) const {
  if (!source) return;
  for (const auto& [name, attribute] : node.attributes)
    if (const auto* tensor = std::get_if<Tensor>(&attribute))
      source->verify(tensor->view(), fmt::format("attribute {} of node {}", name, node.name));
}

void Graph::verify_constants(const std::vector<ValueId>& values) const {
  if (!source) return;
  for (const ValueId id : values)
    if (id != kNoValue && value(id).is_constant())
      source->verify(value(id).constant->view(), "constant " + value(id).name);
}

ValueId Graph::add_value(Value value) {
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::add_constant(std::string name, Tensor tensor) {
  Value value;
  value.name = std::move(name);
  value.dtype = tensor.dtype();
  value.shape = tensor.shape();
  value.constant = std::move(tensor);
  return add_value(std::move(value));
}

Node& Graph::add_node(Node node, std::optional<std::size_t> at) {
  EDGECLIP_CHECK(!at || *at <= nodes_.size(), "position {} of {}", *at, nodes_.size());
  const auto where = at ? nodes_.begin() + static_cast<std::ptrdiff_t>(*at) : nodes_.end();
  return *nodes_.insert(where, std::move(node));
}

std::optional<std::size_t> Graph::producer(ValueId id) const {
  if (id == kNoValue) return {};
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (std::find(nodes_[i].outputs.begin(), nodes_[i].outputs.end(), id) != nodes_[i].outputs.end())
      return i;
  return {};
}

std::vector<std::size_t> Graph::consumers(ValueId id) const {
  std::vector<std::size_t> found;
  if (id == kNoValue) return found;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (std::find(nodes_[i].inputs.begin(), nodes_[i].inputs.end(), id) != nodes_[i].inputs.end())
      found.push_back(i);
  return found;
}

bool Graph::is_output(ValueId id) const {
  return std::find(outputs.begin(), outputs.end(), id) != outputs.end();
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (auto& node : nodes_) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(outputs.begin(), outputs.end(), from, to);
}

void Graph::remove_dead() {
  std::vector<bool> read(values_.size(), false);
  const auto mark = [&](ValueId id) {
    if (id != kNoValue) read.at(static_cast<std::size_t>(id)) = true;
  };
  for (const ValueId id : outputs) mark(id);
  std::vector<bool> alive(nodes_.size(), false);
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    for (const ValueId id : nodes_[i].outputs)
      if (id != kNoValue && read.at(static_cast<std::size_t>(id))) alive[i] = true;
    if (alive[i])
      for (const ValueId id : nodes_[i].inputs) mark(id);
  }
  std::vector<Node> nodes;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!alive[i]) continue;
    for (const ValueId id : nodes_[i].outputs) mark(id);  // an output nobody reads still needs a place
    nodes.push_back(std::move(nodes_[i]));
  }
  for (const ValueId id : inputs) mark(id);
  nodes_ = std::move(nodes);

  std::vector<ValueId> renamed(values_.size(), kNoValue);
  std::vector<Value> values;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (!read[i]) continue;
    renamed[i] = static_cast<ValueId>(values.size());
    values.push_back(std::move(values_[i]));
  }
  values_ = std::move(values);
  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids)
      if (id != kNoValue) id = renamed.at(static_cast<std::size_t>(id));
  };
  for (auto& node : nodes_) {
    rename(node.inputs);
    rename(node.outputs);
  }
  rename(inputs);
  rename(outputs);
}

void Graph::check() const {
  const auto index = [&](ValueId id) {
    EDGECLIP_CHECK(id >= 0 && static_cast<std::size_t>(id) < values_.size(), "value {} of {}", id,
                   values_.size());
    return static_cast<std::size_t>(id);
  };
  std::vector<bool> made(values_.size(), false);
  for (std::size_t i = 0; i < values_.size(); ++i) made[i] = values_[i].is_constant();
  for (const ValueId id : inputs) made[index(id)] = true;
  for (const auto& node : nodes_) {
    for (const ValueId id : node.inputs)
      EDGECLIP_CHECK(id == kNoValue || made[index(id)], "node {} ({}) reads {} before it is made", node.name,
                     node.op, value(id).name);
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      EDGECLIP_CHECK(!made[index(id)], "{} is made twice", value(id).name);
      made[index(id)] = true;
    }
  }
  for (const ValueId id : outputs) EDGECLIP_CHECK(made[index(id)], "output {} is never made", value(id).name);
}

}  // namespace edgeclip::engine
