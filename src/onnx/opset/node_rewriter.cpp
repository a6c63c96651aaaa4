#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "onnx/graph_builder.h"
#include "onnx/opset/lower.h"

namespace edgeclip::onnx_ir {

using ::onnx::AttributeProto;
using ::onnx::NodeProto;

NodeRewriter::NodeRewriter(::onnx::GraphProto& graph) : graph_(graph), names_(graph) {}

void NodeRewriter::rewrite(const std::string& op, void (*rewrite)(const NodeProto&, NodeRewriter&)) {
  nodes_.Clear();
  for (auto& node : *graph_.mutable_node())
    if (node.op_type() == op)
      rewrite(node, *this);
    else
      nodes_.Add()->Swap(&node);
  graph_.mutable_node()->Swap(&nodes_);
}

void NodeRewriter::drop_unread() {
  std::set<std::string> read;
  for (const auto& node : graph_.node()) read.insert(node.input().begin(), node.input().end());
  auto& initializers = *graph_.mutable_initializer();
  initializers.erase(std::remove_if(initializers.begin(), initializers.end(),
                                    [&](const auto& tensor) { return !read.count(tensor.name()); }),
                     initializers.end());
}

NodeProto& NodeRewriter::add(const std::string& op, const std::vector<std::string>& inputs) {
  NodeProto& node = *nodes_.Add();
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  return node;
}

NodeProto& NodeRewriter::replace(const NodeProto& node, const std::string& op, const std::vector<std::string>& inputs) {
  NodeProto& in_its_place = add(op, inputs);
  in_its_place.set_name(node.name());
  in_its_place.add_output(node.output(0));
  return in_its_place;
}

std::string NodeRewriter::add_within(const NodeProto& of, const std::string& op, const std::vector<std::string>& inputs) {
  const std::string name = names_.unique(of.name() + "/" + op);
  NodeProto& node = add(op, inputs);
  node.set_name(name);
  node.add_output(name);
  return name;
}

std::string NodeRewriter::scalar(const NodeProto& of, float value, const std::string& hint) {
  const std::string name = names_.unique(of.name() + "/" + hint);
  tensor_to_proto(Tensor::from<float>({}, {value}).view(), name, graph_.add_initializer());
  return name;
}

std::string NodeRewriter::integers(const NodeProto& of, const std::vector<std::int64_t>& values, const std::string& hint) {
  const std::string name = names_.unique(of.name() + "/" + hint);
  tensor_to_proto(Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values).view(), name,
                  graph_.add_initializer());
  return name;
}

std::vector<std::int64_t> NodeRewriter::values_of(const std::string& initializer) const {
  for (const auto& tensor : graph_.initializer()) {
    if (tensor.name() != initializer) continue;
    EDGECLIP_CHECK(tensor.data_type() == ::onnx::TensorProto::INT64 && tensor.has_raw_data(), "{} holds no integers", initializer);
    std::vector<std::int64_t> values(tensor.raw_data().size() / sizeof(std::int64_t));
    std::memcpy(values.data(), tensor.raw_data().data(), values.size() * sizeof(std::int64_t));
    return values;
  }
  EDGECLIP_CHECK(false, "{} is no initializer", initializer);
  return {};
}

void set_integer(NodeProto& node, const std::string& name, std::int64_t value) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(AttributeProto::INT);
  attribute->set_i(value);
}

void set_integers(NodeProto& node, const std::string& name, const std::vector<std::int64_t>& values) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(AttributeProto::INTS);
  for (const std::int64_t value : values) attribute->add_ints(value);
}

const AttributeProto* attribute_of(const NodeProto& node, const std::string& name) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

}  // namespace edgeclip::onnx_ir
