#include "builder/quantize/qdq_writer.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <set>

#include "onnx/graph_builder.h"

namespace edgeclip::builder {
namespace {

using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

/// What the new nodes and constants are put together in: names unique in the graph, each constant made once.
class Rewriter {
 public:
  Rewriter(const GraphProto& graph, int bits, const std::filesystem::path& file) : bits_(bits), file_(file) {
    for (const auto& value : graph.input()) names_.insert(value.name());
    for (const auto& tensor : graph.initializer()) names_.insert(tensor.name());
    for (const auto& node : graph.node()) {
      names_.insert(node.name());
      names_.insert(node.output().begin(), node.output().end());
    }
  }

  /// The name of the dequantized activation; `before`: nodes that must come before its reader.
  std::string activation(const std::string& name, const ActivationScale& s, std::vector<NodeProto>* before) {
    auto& done = dequantized_[name];
    if (!done.empty()) return done;
    const std::string scale = constant(name + "/scale", Tensor::from<float>({}, {s.scale}));
    const std::string zero_point =
        constant(name + "/zero_point", Tensor::from<std::uint8_t>({}, {s.zero_point}));
    const std::string quantized = unique(name + "/quantized");
    done = unique(name + "/dequantized");
    before->push_back(node("QuantizeLinear", {name, scale, zero_point}, quantized));
    before->push_back(node("DequantizeLinear", {quantized, scale, zero_point}, done));
    return done;
  }

  std::string weights(const std::string& name, const TensorProto& proto, std::vector<NodeProto>* before) {
    auto& done = dequantized_[name];
    if (!done.empty()) return done;
    const std::string where = file_.string() + ": initializer \"" + name + "\"";
    const Tensor tensor = onnx_ir::tensor_from_proto(proto, file_.parent_path(), where);
    const QuantizedWeights q = quantize_weights(tensor.view(), 1, bits_, where);
    const std::string values = constant(name + "/quantized", q.values);
    const std::string scales = constant(name + "/scale", q.scales);
    const std::string zero_points = constant(name + "/zero_point", Tensor(DType::i8, q.scales.shape()));
    done = unique(name + "/dequantized");
    before->push_back(node("DequantizeLinear", {values, scales, zero_points}, done));
    auto* axis = before->back().add_attribute();
    axis->set_name("axis");
    axis->set_type(::onnx::AttributeProto::INT);
    axis->set_i(1);
    return done;
  }

  const std::vector<TensorProto>& constants() const { return constants_; }

 private:
  std::string unique(std::string name) {
    while (!names_.insert(name).second) name += "_";
    return name;
  }
  std::string constant(const std::string& name, const Tensor& tensor) {
    constants_.emplace_back();
    const std::string own = unique(name);
    onnx_ir::tensor_to_proto(tensor.view(), own, &constants_.back());
    return own;
  }
  NodeProto node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output) {
    NodeProto out;
    out.set_op_type(op);
    out.set_name(unique(output + "/" + op));
    for (const std::string& input : inputs) out.add_input(input);
    out.add_output(output);
    return out;
  }

  const int bits_;
  const std::filesystem::path file_;
  std::set<std::string> names_;
  std::map<std::string, std::string> dequantized_;
  std::vector<TensorProto> constants_;
};

/// Names that nodes (their subgraphs included) or the graph's outputs read.
void collect_reads(const GraphProto& graph, std::set<std::string>* reads) {
  for (const auto& output : graph.output()) reads->insert(output.name());
  for (const auto& node : graph.node()) {
    reads->insert(node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) collect_reads(attribute.g(), reads);
      for (const auto& inner : attribute.graphs()) collect_reads(inner, reads);
    }
  }
}

/// Moves a constant, with its data inside: the new file lies in another folder.
void take(TensorProto& from, const std::filesystem::path& file, TensorProto* to) {
  if (from.data_location() != TensorProto::EXTERNAL) return to->Swap(&from);
  const std::string where = file.string() + ": initializer \"" + from.name() + "\"";
  onnx_ir::tensor_to_proto(onnx_ir::tensor_from_proto(from, file.parent_path(), where).view(), from.name(),
                           to);
}

void require_opset(const ModelProto& model, const std::string& where) {
  for (const auto& opset : model.opset_import())
    if ((opset.domain().empty() || opset.domain() == "ai.onnx") && opset.version() < 13)
      invalid_input("{}: opset {} has no scales per column; export with opset 13 or later", where,
                    opset.version());
}

}  // namespace

std::vector<QuantizableMatMul> find_quantizable(const ModelProto& model,
                                                const std::vector<std::string>& exclude) {
  const GraphProto& graph = model.graph();
  std::set<std::string> matrices;
  for (const auto& tensor : graph.initializer())
    if (tensor.data_type() == TensorProto::FLOAT && tensor.dims_size() == 2) matrices.insert(tensor.name());
  for (const auto& input : graph.input())
    matrices.erase(input.name());  // a default that a caller may replace

  const auto excluded = [&](const std::string& name) {
    return std::any_of(exclude.begin(), exclude.end(), [&](const std::string& part) {
      return !part.empty() && name.find(part) != std::string::npos;
    });
  };
  std::vector<QuantizableMatMul> out;
  for (int i = 0; i < graph.node_size(); ++i) {
    const NodeProto& node = graph.node(i);
    if (node.op_type() != "MatMul" || !(node.domain().empty() || node.domain() == "ai.onnx")) continue;
    if (node.input_size() != 2 || !matrices.count(node.input(1)) || matrices.count(node.input(0))) continue;
    if (excluded(node.name()) || excluded(node.input(1))) continue;
    out.push_back({i, node.name(), node.input(0), node.input(1)});
  }
  return out;
}

int insert_qdq(ModelProto& model, const std::map<std::string, ActivationScale>& activations,
               const std::vector<std::string>& exclude, int bits, const std::filesystem::path& file) {
  require_opset(model, file.string());
  GraphProto& graph = *model.mutable_graph();
  std::map<int, QuantizableMatMul> chosen;
  for (auto& matmul : find_quantizable(model, exclude))
    if (activations.count(matmul.activation)) chosen.emplace(matmul.node, matmul);

  std::map<std::string, const TensorProto*> initializers;
  for (const auto& tensor : graph.initializer()) initializers[tensor.name()] = &tensor;

  Rewriter rewriter(graph, bits, file);
  ::google::protobuf::RepeatedPtrField<NodeProto> nodes;
  std::set<std::string> replaced;
  for (int i = 0; i < graph.node_size(); ++i) {
    const auto it = chosen.find(i);
    if (it == chosen.end()) {
      *nodes.Add() = graph.node(i);
      continue;
    }
    std::vector<NodeProto> before;
    NodeProto matmul = graph.node(i);
    const auto& [node, name, activation, weights] = it->second;
    matmul.set_input(0, rewriter.activation(activation, activations.at(activation), &before));
    matmul.set_input(1, rewriter.weights(weights, *initializers.at(weights), &before));
    for (auto& added : before) *nodes.Add() = std::move(added);
    *nodes.Add() = std::move(matmul);
    replaced.insert(weights);
  }
  graph.mutable_node()->Swap(&nodes);

  std::set<std::string> reads;
  collect_reads(graph, &reads);
  ::google::protobuf::RepeatedPtrField<TensorProto> kept;
  for (auto& tensor : *graph.mutable_initializer())
    if (!replaced.count(tensor.name()) || reads.count(tensor.name())) take(tensor, file, kept.Add());
  for (const auto& tensor : rewriter.constants()) *kept.Add() = tensor;
  graph.mutable_initializer()->Swap(&kept);
  // Shapes of intermediate values are hints that would need entries for the new ones; readers infer them.
  graph.clear_value_info();
  return static_cast<int>(chosen.size());
}

}  // namespace edgeclip::builder
