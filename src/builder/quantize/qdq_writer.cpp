#include "builder/quantize/qdq_writer.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <set>

#include "builder/quantize/qdq_rewriter.h"
#include "bundle/excluded.h"
#include "onnx/opset/lower.h"

namespace edgeclip::builder {
namespace {

using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;
using onnx_ir::attribute_of;

constexpr int kTableBits = 8;  ///< 7 are for sums of products, and a table is only read

bool is_float(const TensorProto& tensor) { return tensor.data_type() == TensorProto::FLOAT; }

bool is_standard(const NodeProto& node) { return node.domain().empty() || node.domain() == "ai.onnx"; }

/// float32 initializers that no caller may replace.
std::map<std::string, const TensorProto*> constants_of(const GraphProto& graph) {
  std::map<std::string, const TensorProto*> constants;
  for (const auto& tensor : graph.initializer())
    if (is_float(tensor)) constants[tensor.name()] = &tensor;
  for (const auto& input : graph.input()) constants.erase(input.name());
  return constants;
}

std::int64_t elements_of(const TensorProto& tensor) {
  std::int64_t elements = 1;
  for (const auto dim : tensor.dims()) elements *= dim;
  return elements;
}

bool gathers_rows(const NodeProto& node) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == "axis") return attribute.i() == 0;
  return true;
}

struct BiasOf {
  int node = 0;   ///< an Add
  int input = 0;  ///< of it, the bias
};

/// The Adds that alone read an output of these products, with a vector of constants, by the product's index.
std::map<int, BiasOf> biases_of(const GraphProto& graph, const std::map<int, QuantizableProduct>& products) {
  const auto constants = constants_of(graph);
  std::map<std::string, int> outputs, readers;
  for (const auto& [i, product] : products)
    if (!product.convolution) outputs[graph.node(i).output(0)] = i;
  for (const auto& output : graph.output()) ++readers[output.name()];
  for (const auto& node : graph.node())
    for (const auto& input : node.input()) ++readers[input];
  std::map<int, BiasOf> biases;
  for (int i = 0; i < graph.node_size(); ++i) {
    const NodeProto& node = graph.node(i);
    if (node.op_type() != "Add" || !is_standard(node) || node.input_size() != 2) continue;
    for (const int input : {0, 1}) {
      const auto product = outputs.find(node.input(1 - input));
      const auto bias = constants.find(node.input(input));
      if (product == outputs.end() || bias == constants.end() || bias->second->dims_size() != 1 || readers[product->first] != 1) continue;
      if (bias->second->dims(0) == constants.at(products.at(product->second).weights)->dims(1)) biases[product->second] = {i, input};
    }
  }
  return biases;
}

/// Whether it cuts an image, which is an input of the graph, into patches.
bool is_patch_embedding(const NodeProto& node, const GraphProto& graph) {
  if (node.op_type() != "Conv" || !is_standard(node)) return false;
  const auto is_input = [&](const auto& input) { return input.name() == node.input(0); };
  if (std::none_of(graph.input().begin(), graph.input().end(), is_input)) return false;
  const auto *kernel = attribute_of(node, "kernel_shape"), *strides = attribute_of(node, "strides"), *pads = attribute_of(node, "pads"),
             *group = attribute_of(node, "group");
  if (kernel == nullptr || strides == nullptr || (group != nullptr && group->i() != 1)) return false;
  if (pads != nullptr && std::any_of(pads->ints().begin(), pads->ints().end(), [](auto pad) { return pad != 0; })) return false;
  return std::equal(kernel->ints().begin(), kernel->ints().end(), strides->ints().begin(), strides->ints().end());
}

}  // namespace

std::vector<QuantizableProduct> find_quantizable(const ModelProto& model,
                                                 const std::vector<std::string>& exclude) {
  const GraphProto& graph = model.graph();
  const auto constants = constants_of(graph);
  const auto rank = [&](const std::string& name) {
    const auto found = constants.find(name);
    return found == constants.end() ? 0 : found->second->dims_size();
  };
  std::set<std::string> inputs;
  for (const auto& input : graph.input()) inputs.insert(input.name());
  std::vector<QuantizableProduct> out;
  for (int i = 0; i < graph.node_size(); ++i) {
    const NodeProto& node = graph.node(i);
    if (!is_standard(node) || node.input_size() < 2) continue;
    const bool convolution = node.op_type() == "Conv";
    if (convolution ? rank(node.input(1)) < 3 || inputs.count(node.input(0)) != 0
                    : node.op_type() != "MatMul" || rank(node.input(1)) != 2 || rank(node.input(0)) == 2)
      continue;
    if (has_excluded_part(node.name(), exclude) || has_excluded_part(node.input(1), exclude)) continue;
    out.push_back({i, convolution, node.name(), node.input(0), node.input(1)});
  }
  return out;
}

int insert_qdq(ModelProto& model, const std::map<std::string, ActivationScale>& activations,
               const std::vector<std::string>& exclude, int bits, const std::filesystem::path& file,
               const std::map<std::string, std::vector<float>>& means) {
  QdqRewriter rewriter(model, file);
  const GraphProto& graph = model.graph();
  std::map<int, QuantizableProduct> chosen;
  for (auto& product : find_quantizable(model, exclude))
    if (activations.count(product.activation)) chosen.emplace(product.node, product);
  std::map<int, std::pair<int, std::string>> corrected;  // by the Add's index: which input, and its new name
  if (!means.empty())
    for (const auto& [i, bias] : biases_of(graph, chosen)) {
      const auto mean = means.find(chosen.at(i).activation);
      if (mean == means.end()) continue;
      const std::string& name = graph.node(bias.node).input(bias.input);
      corrected[bias.node] = {bias.input, rewriter.bias(name, chosen.at(i).weights, bits, mean->second)};
    }
  for (int i = 0; i < graph.node_size(); ++i) {
    NodeProto node = graph.node(i);
    if (const auto it = corrected.find(i); it != corrected.end()) node.set_input(it->second.first, it->second.second);
    if (const auto it = chosen.find(i); it != chosen.end()) {
      const QuantizableProduct& product = it->second;
      node.set_input(0, rewriter.activation(product.activation, activations.at(product.activation)));
      node.set_input(1, rewriter.weights(product.weights, product.convolution ? 0 : 1, bits));
    }
    rewriter.add(std::move(node));
  }
  rewriter.finish();
  return static_cast<int>(chosen.size());
}

Int8Weights store_int8_weights(ModelProto& model, const Int8WeightsOptions& options, const std::filesystem::path& file) {
  QdqRewriter rewriter(model, file);
  const GraphProto& graph = model.graph();
  const auto constants = constants_of(graph);
  std::set<int> products;
  if (options.layers)
    for (const auto& product : find_quantizable(model, options.exclude))
      if (!product.convolution) products.insert(product.node);
  const auto weights_of = [&](const NodeProto& node, int input) -> const TensorProto* {
    if (node.input_size() <= input || !is_standard(node)) return nullptr;
    const auto found = constants.find(node.input(input));
    return found == constants.end() ? nullptr : found->second;
  };
  Int8Weights counts;
  for (int i = 0; i < graph.node_size(); ++i) {
    NodeProto node = graph.node(i);
    if (products.count(i)) {
      node.set_input(1, rewriter.weights(node.input(1), 1, options.bits));
      ++counts.products;
    } else if (const TensorProto* filters = weights_of(node, 1);
               node.op_type() == "Conv" && (options.layers || is_patch_embedding(node, graph)) && filters != nullptr &&
               filters->dims_size() >= 3 &&
               !has_excluded_part(node.name(), options.exclude) && !has_excluded_part(filters->name(), options.exclude)) {
      node.set_input(1, rewriter.weights(filters->name(), 0, options.bits));
      ++counts.convolutions;
    } else if (const TensorProto* table = weights_of(node, 0);
               node.op_type() == "Gather" && gathers_rows(node) && table != nullptr && table->dims_size() == 2 &&
               elements_of(*table) >= options.smallest_table && !has_excluded_part(node.name(), options.exclude) &&
               !has_excluded_part(table->name(), options.exclude)) {
      node.set_input(0, rewriter.weights(table->name(), 0, kTableBits));
      ++counts.tables;
    }
    rewriter.add(std::move(node));
  }
  rewriter.finish();
  return counts;
}

}  // namespace edgeclip::builder
