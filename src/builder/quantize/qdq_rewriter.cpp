#include "builder/quantize/qdq_rewriter.h"

#include "onnx/graph_builder.h"

namespace edgeclip::builder {
namespace {

using ::onnx::GraphProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

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

std::string place_of(const std::filesystem::path& file, const std::string& initializer) {
  return file.string() + ": initializer \"" + initializer + "\"";
}

/// Moves a constant, with its data inside.
void take(TensorProto& from, const std::filesystem::path& file, TensorProto* to) {
  if (from.data_location() != TensorProto::EXTERNAL) return to->Swap(&from);
  const Tensor tensor = onnx_ir::tensor_from_proto(from, file.parent_path(), place_of(file, from.name()));
  onnx_ir::tensor_to_proto(tensor.view(), from.name(), to);
}

}  // namespace

void require_scales_per_channel(const ::onnx::ModelProto& model, const std::filesystem::path& file) {
  for (const auto& opset : model.opset_import())
    if ((opset.domain().empty() || opset.domain() == "ai.onnx") && opset.version() < 13)
      invalid_input("{}: opset {} has no scales per column; export with opset 13 or later", file.string(), opset.version());
}

QdqRewriter::QdqRewriter(::onnx::ModelProto& model, const std::filesystem::path& file) : model_(model), file_(file), names_(model.graph()) {
  require_scales_per_channel(model, file);
  for (const auto& tensor : model.graph().initializer()) initializers_[tensor.name()] = &tensor;
}

std::string QdqRewriter::activation(const std::string& name, const ActivationScale& s) {
  auto& done = dequantized_[name];
  if (!done.empty()) return done;
  const std::string scale = constant(name + "/scale", Tensor::from<float>({}, {s.scale}));
  const std::string zero_point = constant(name + "/zero_point", Tensor::from<std::uint8_t>({}, {s.zero_point}));
  const std::string quantized = names_.unique(name + "/quantized");
  done = names_.unique(name + "/dequantized");
  add(node("QuantizeLinear", {name, scale, zero_point}, quantized));
  add(node("DequantizeLinear", {quantized, scale, zero_point}, done));
  return done;
}

std::string QdqRewriter::weights(const std::string& name, int axis, int bits) {
  auto& done = dequantized_[name];
  if (!done.empty()) return done;
  const QuantizedWeights q = quantize_weights(read(name).view(), static_cast<std::size_t>(axis), bits, place_of(file_, name));
  const std::string values = constant(name + "/quantized", q.values);
  const std::string scales = constant(name + "/scale", q.scales);
  const std::string zero_points = constant(name + "/zero_point", Tensor(DType::i8, q.scales.shape()));
  done = names_.unique(name + "/dequantized");
  NodeProto dequantize = node("DequantizeLinear", {values, scales, zero_points}, done);
  auto* attribute = dequantize.add_attribute();
  attribute->set_name("axis");
  attribute->set_type(::onnx::AttributeProto::INT);
  attribute->set_i(axis);
  add(std::move(dequantize));
  replaced_.insert(name);
  return done;
}

std::string QdqRewriter::bias(const std::string& bias, const std::string& weights, int bits, const std::vector<float>& mean) {
  const Tensor floats = read(weights);
  const QuantizedWeights q = quantize_weights(floats.view(), 1, bits, place_of(file_, weights));
  const Tensor made = corrected_bias(read(bias).view(), floats.view(), q, mean);
  replaced_.insert(bias);
  return constant(bias + "/corrected", made);
}

Tensor QdqRewriter::read(const std::string& initializer) const {
  return onnx_ir::tensor_from_proto(*initializers_.at(initializer), file_.parent_path(), place_of(file_, initializer));
}

void QdqRewriter::finish() {
  GraphProto& graph = *model_.mutable_graph();
  graph.mutable_node()->Swap(&nodes_);
  std::set<std::string> reads;
  collect_reads(graph, &reads);
  google::protobuf::RepeatedPtrField<TensorProto> kept;
  for (auto& tensor : *graph.mutable_initializer())
    if (!replaced_.count(tensor.name()) || reads.count(tensor.name())) take(tensor, file_, kept.Add());
  for (auto& tensor : constants_) *kept.Add() = std::move(tensor);
  graph.mutable_initializer()->Swap(&kept);
  // Shapes of intermediate values are hints that would need entries for the new ones; readers infer them.
  graph.clear_value_info();
}

std::string QdqRewriter::constant(const std::string& name, const Tensor& tensor) {
  constants_.emplace_back();
  const std::string own = names_.unique(name);
  onnx_ir::tensor_to_proto(tensor.view(), own, &constants_.back());
  return own;
}

NodeProto QdqRewriter::node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output) {
  NodeProto out;
  out.set_op_type(op);
  out.set_name(names_.unique(output + "/" + op));
  for (const std::string& input : inputs) out.add_input(input);
  out.add_output(output);
  return out;
}

}  // namespace edgeclip::builder
