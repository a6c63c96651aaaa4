#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "onnx/unique_names.h"

/// One emission, several operator sets: graphs are built in the language of kWrittenOpset and taken down step by step, each step a
/// file: an operator that the next lower set does not have, or has in another form.
namespace edgeclip::onnx_ir {

constexpr int kOldestOpset = 12;   ///< GatherND's batch_dims and ArgMax's select_last_index
constexpr int kWrittenOpset = 20;  ///< the language of GraphBuilder
constexpr int kDefaultOpset = 17;  ///< the first with LayerNormalization, the last that libonnx 1.12 checks

/// A graph whose nodes are rewritten in order.  New values are named after the node that they stand for, so that names still lead
/// back to modules.
class NodeRewriter {
 public:
  explicit NodeRewriter(::onnx::GraphProto& graph);

  /// Each node of the graph named op goes through rewrite(), which adds what takes its place.
  void rewrite(const std::string& op, void (*rewrite)(const ::onnx::NodeProto&, NodeRewriter&));
  /// Initializers that nobody reads any more go.
  void drop_unread();

  // For those who rewrite a node.
  /// What takes the node's place, with its name and output, without its attributes.
  ::onnx::NodeProto& replace(const ::onnx::NodeProto& node, const std::string& op, const std::vector<std::string>& inputs);
  /// A node within `of`, whose output's name is returned.
  std::string add_within(const ::onnx::NodeProto& of, const std::string& op, const std::vector<std::string>& inputs);
  std::string scalar(const ::onnx::NodeProto& of, float value, const std::string& hint);
  std::string integers(const ::onnx::NodeProto& of, const std::vector<std::int64_t>& values, const std::string& hint);
  /// The values of an int64 initializer.
  std::vector<std::int64_t> values_of(const std::string& initializer) const;
  ::onnx::NodeProto& last() { return *nodes_.Mutable(nodes_.size() - 1); }

 private:
  ::onnx::NodeProto& add(const std::string& op, const std::vector<std::string>& inputs);

  ::onnx::GraphProto& graph_;
  google::protobuf::RepeatedPtrField<::onnx::NodeProto> nodes_;
  UniqueNames names_;
};

void set_integer(::onnx::NodeProto& node, const std::string& name, std::int64_t value);
void set_integers(::onnx::NodeProto& node, const std::string& name, const std::vector<std::int64_t>& values);
/// The attribute, or null.
const ::onnx::AttributeProto* attribute_of(const ::onnx::NodeProto& node, const std::string& name);

// The steps; each says below which operator set it is taken (lower.cpp).
void lower_gelu(const ::onnx::NodeProto& node, NodeRewriter& graph);
void lower_reduce_axes(const ::onnx::NodeProto& node, NodeRewriter& graph);
void lower_layer_normalization(const ::onnx::NodeProto& node, NodeRewriter& graph);
void lower_shape_range(const ::onnx::NodeProto& node, NodeRewriter& graph);

/// Takes a model from kWrittenOpset to opset, and sets the operator set and the version of the format that go with it.
void lower_to_opset(::onnx::ModelProto& model, int opset);
/// Throws InvalidInput unless opset is from kOldestOpset to kWrittenOpset.
void require_writable_opset(int opset);

}  // namespace edgeclip::onnx_ir
