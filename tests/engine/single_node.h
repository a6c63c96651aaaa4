#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/ops/check_node.h"
#include "engine/ops/interpreter.h"
#include "engine/ops/support.h"

/// Single nodes: their reference kernels and what their shape rules refuse.
namespace edgeclip::test {

using Attributes = std::map<std::string, engine::Attribute>;
using Ints = std::vector<std::int64_t>;

inline engine::Node single_node(const std::string& op, int opset, Attributes attributes, std::size_t inputs,
                                std::size_t outputs = 1) {
  engine::Node node;
  node.name = "n";
  node.op = op;
  node.opset = opset;
  node.attributes = std::move(attributes);
  for (std::size_t i = 0; i < inputs; ++i) node.inputs.push_back(static_cast<engine::ValueId>(i));
  for (std::size_t i = 0; i < outputs; ++i) node.outputs.push_back(static_cast<engine::ValueId>(inputs + i));
  return node;
}

/// A tensor that is not defined is an input left out.
inline std::vector<Tensor> run_node(const std::string& op, int opset, Attributes attributes,
                                    const std::vector<Tensor>& inputs, std::size_t outputs = 1) {
  engine::Node node = single_node(op, opset, std::move(attributes), inputs.size(), outputs);
  engine::Inputs views;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) node.inputs[i] = engine::kNoValue;
    views.push_back(inputs[i].defined() ? inputs[i].view() : TensorView{});
  }
  engine::check_node(node);
  return engine::evaluate_node(node, views);
}

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  return {tensor.data<T>(), tensor.data<T>() + tensor.elements()};
}

/// What the shape rule says to float32 inputs of these shapes, whose data is not known; "" if it takes them.
/// `known` gives input i its data.
inline std::string refusal_of(const std::string& op, int opset, Attributes attributes,
                              const std::vector<Shape>& shapes,
                              const std::vector<std::pair<std::size_t, Tensor>>& known = {}) {
  const engine::Node node = single_node(op, opset, std::move(attributes), shapes.size());
  try {
    engine::check_node(node);
    engine::ShapeContext context{node, {}, {}, {}};
    for (const Shape& shape : shapes) context.inputs.push_back({DType::f32, shape, nullptr});
    for (const auto& [i, tensor] : known) context.inputs.at(i) = tensor.view();
    engine::infer_node(context);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "";
}

}  // namespace edgeclip::test
