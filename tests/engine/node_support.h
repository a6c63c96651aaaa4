#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/ops/check_node.h"
#include "engine/ops/interpreter.h"
#include "engine/ops/operator.h"
#include "engine/ops/support.h"
#include "support/support.h"

/// One node by itself, for tests of shape rules and reference kernels.
namespace edgeclip::engine::test {

using ::edgeclip::test::invalid_input_of;
using Attributes = std::map<std::string, Attribute>;
using Ints = std::vector<std::int64_t>;

/// A Tensor that is not defined is an input left out.
inline Node node_of(const std::string& op, const std::vector<Tensor>& inputs, const Attributes& attributes,
                    int opset, int outputs) {
  Node node;
  node.name = "n";
  node.op = op;
  node.opset = opset;
  node.attributes = attributes;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    node.inputs.push_back(inputs[i].defined() ? static_cast<ValueId>(i) : kNoValue);
  for (int i = 0; i < outputs; ++i) node.outputs.push_back(100 + i);
  return node;
}

/// What the importer and the interpreter do to one node.
inline std::vector<Tensor> run_node(const std::string& op, const std::vector<Tensor>& inputs,
                                    const Attributes& attributes = {}, int opset = 28, int outputs = 1) {
  const Node node = node_of(op, inputs, attributes, opset, outputs);
  check_node(node);
  Inputs views;
  for (const Tensor& input : inputs) views.push_back(input.defined() ? input.view() : TensorView{});
  return evaluate_node(node, views);
}

/// The same in the order of a model's text: operator, opset, attributes, inputs.
inline std::vector<Tensor> run_node(const std::string& op, int opset, const Attributes& attributes,
                                    const std::vector<Tensor>& inputs, int outputs = 1) {
  return run_node(op, inputs, attributes, opset, outputs);
}

/// The shape rule alone, of inputs that are given by type and shape only: large ones cost nothing.
inline Shape infer_shape(const std::string& op, const std::vector<std::pair<DType, Shape>>& inputs,
                         const Attributes& attributes = {}, int opset = 28) {
  Node node = node_of(op, {}, attributes, opset, 1);
  Inputs views;
  for (const auto& [dtype, shape] : inputs) {
    node.inputs.push_back(static_cast<ValueId>(node.inputs.size()));
    views.push_back({dtype, shape, nullptr});
  }
  check_node(node);
  ShapeContext context{node, views, {}, {}};
  infer_node(context);
  return context.output_shapes[0];
}

inline Tensor floats(const Shape& shape, const std::vector<float>& values) {
  return Tensor::from(shape, values);
}
inline Tensor longs(const Shape& shape, const std::vector<std::int64_t>& values) {
  return Tensor::from(shape, values);
}

template <class T>
std::vector<T> elements_of(const Tensor& tensor) {
  const T* x = tensor.data<T>();
  return std::vector<T>(x, x + tensor.elements());  // braces would be a list of two for bool
}

/// The message of the refusal, which must be of the type that says "the engine lacks this".
template <class Body>
std::string unsupported_of(Body body) {
  try {
    body();
  } catch (const Unsupported& error) {
    return error.what();
  } catch (const InvalidInput& error) {
    ADD_FAILURE() << "refused as a wrong model: " << error.what();
    return error.what();
  }
  ADD_FAILURE() << "not refused";
  return {};
}

/// The message of the refusal, which must not be one of that type.
template <class Body>
std::string refusal_of(Body body) {
  try {
    body();
  } catch (const Unsupported& error) {
    ADD_FAILURE() << "refused as something the engine lacks: " << error.what();
    return error.what();
  } catch (const InvalidInput& error) {
    return error.what();
  }
  ADD_FAILURE() << "not refused";
  return {};
}

/// What the rule says to float32 inputs of these shapes, whose data is not known; "" if it takes them.
/// `known` gives input i its data.
inline std::string refusal_of(const std::string& op, int opset, const Attributes& attributes,
                              const std::vector<Shape>& shapes,
                              const std::vector<std::pair<std::size_t, Tensor>>& known = {}) {
  Node node = node_of(op, {}, attributes, opset, 1);
  Inputs views;
  for (const Shape& shape : shapes) {
    node.inputs.push_back(static_cast<ValueId>(node.inputs.size()));
    views.push_back({DType::f32, shape, nullptr});
  }
  for (const auto& [i, tensor] : known) views.at(i) = tensor.view();
  try {
    check_node(node);
    ShapeContext context{node, views, {}, {}};
    infer_node(context);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "";
}

}  // namespace edgeclip::engine::test
