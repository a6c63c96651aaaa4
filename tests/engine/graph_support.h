#pragma once

#include <string>
#include <vector>

#include "engine/graph/graph.h"

/// Small graphs written in code.
namespace edgeclip::test {

/// Adds nodes one after the other; every node has one output unless said otherwise.
class GraphMaker {
 public:
  engine::Graph graph;

  engine::ValueId input(const std::string& name, DType dtype, Shape shape,
                        std::vector<std::string> symbols = {}) {
    engine::Value value;
    value.name = name;
    value.dtype = dtype;
    value.shape = std::move(shape);
    value.symbols = std::move(symbols);
    const auto id = graph.add_value(std::move(value));
    graph.inputs.push_back(id);
    return id;
  }

  template <class T>
  engine::ValueId constant(const Shape& shape, const std::vector<T>& values) {
    return graph.add_constant("c" + std::to_string(graph.value_count()), Tensor::from<T>(shape, values));
  }
  engine::ValueId scalar(float value) { return constant<float>({}, {value}); }

  engine::ValueId node(const std::string& op, std::vector<engine::ValueId> inputs,
                       std::map<std::string, engine::Attribute> attributes = {}, int opset = 17) {
    engine::Value value;
    value.name = op + std::to_string(graph.value_count());
    const auto id = graph.add_value(std::move(value));
    engine::Node node;
    node.name = "n_" + op + std::to_string(graph.nodes().size());
    node.op = op;
    node.opset = opset;
    node.inputs = std::move(inputs);
    node.outputs = {id};
    node.attributes = std::move(attributes);
    graph.add_node(std::move(node));
    return id;
  }
};

inline int count_ops(const engine::Graph& graph, const std::string& op) {
  int count = 0;
  for (const auto& node : graph.nodes()) count += node.op == op;
  return count;
}

}  // namespace edgeclip::test
