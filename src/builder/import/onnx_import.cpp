#include "builder/import/onnx_import.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "builder/import/attributes.h"
#include "engine/graph/shape_inference.h"
#include "engine/ops/check_node.h"
#include "engine/ops/left_out.h"
#include "engine/ops/operator.h"
#include "engine/ops/support.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// One file on its way to a Graph.
class Importer {
 public:
  explicit Importer(const std::filesystem::path& path)
      : folder_(path.parent_path()), model_(onnx_ir::read_model(path)) {}

  Graph import() {
    if (!model_.has_graph()) invalid_input("no graph");
    read_opsets();
    const ::onnx::GraphProto& proto = model_.graph();
    graph_.name = proto.name();
    if (proto.output_size() == 0) invalid_input("the graph has no outputs");
    if (proto.sparse_initializer_size() > 0) invalid_input("sparse initializers are not supported");
    for (const auto& tensor : proto.initializer()) add_initializer(tensor);
    for (const auto& input : proto.input()) add_input(input);
    declare_types(proto);
    for (const std::size_t i : sorted(proto)) add_node(proto.node(static_cast<int>(i)), i);
    for (const auto& output : proto.output()) {
      const auto it = ids_.find(output.name());
      if (it == ids_.end()) invalid_input("nothing makes output '{}'", printable(output.name()));
      if (graph_.is_output(it->second))
        invalid_input("output '{}' is listed twice", printable(output.name()));
      graph_.outputs.push_back(it->second);
    }
    graph_.check();
    annotate_shapes(graph_);
    return std::move(graph_);
  }

 private:
  /// Only operators of ONNX itself; other domains may be imported by name as long as no node uses them.
  void read_opsets() {
    for (const auto& import : model_.opset_import()) {
      const std::string domain = import.domain() == "ai.onnx" ? "" : import.domain();
      const std::int64_t version = import.version();
      if (!domain.empty()) {
        other_domains_[domain] = version;
        continue;
      }
      if (opset_ != 0) invalid_input("two opset imports");
      if (version < 1) invalid_input("opset {} is not valid", version);
      if (version > kNewestOpset)
        invalid_input("opset {} is newer than this build knows ({}); export the model with an older one",
                      version, kNewestOpset);
      opset_ = static_cast<int>(version);
    }
    if (opset_ == 0) invalid_input("no opset import");
  }

  ValueId define(const std::string& name, Value value) {
    if (name.empty()) invalid_input("a value without a name");
    value.name = name;
    const ValueId id = graph_.add_value(std::move(value));
    if (!ids_.emplace(name, id).second) invalid_input("'{}' is made twice", printable(name));
    return id;
  }

  void add_initializer(const ::onnx::TensorProto& proto) {
    if (ids_.count(proto.name())) invalid_input("initializer '{}' is defined twice", printable(proto.name()));
    define_constant(proto.name(),
                    load_tensor(proto, folder_, fmt::format("tensor '{}'", printable(proto.name()))));
  }

  void define_constant(const std::string& name, Tensor tensor) {
    Value value;
    value.dtype = tensor.dtype();
    value.shape = tensor.shape();
    value.constant = std::move(tensor);
    define(name, std::move(value));
  }

  void add_input(const ::onnx::ValueInfoProto& proto) {
    if (ids_.count(proto.name()) && graph_.value(ids_.at(proto.name())).is_constant())
      return;  // a default, as in IR < 4
    Value value;
    read_type(proto, value);
    graph_.inputs.push_back(define(proto.name(), std::move(value)));
  }

  void read_type(const ::onnx::ValueInfoProto& proto, Value& value) const {
    const std::string where = fmt::format("input '{}'", printable(proto.name()));
    if (!proto.type().has_tensor_type()) invalid_input("{} is not a tensor", where);
    const auto& type = proto.type().tensor_type();
    value.dtype = onnx_ir::dtype_from_onnx(type.elem_type(), where);
    if (!type.has_shape()) return;
    Shape shape, known;
    for (const auto& dim : type.shape().dim()) {
      if (dim.has_dim_value() && dim.dim_value() < 0) invalid_input("{} has a negative dimension", where);
      shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
      value.symbols.push_back(dim.dim_param());
      known.push_back(std::max<std::int64_t>(shape.back(), 1));
    }
    std::uint64_t count = 0;
    if (!checked_num_elements(known, &count) || count > (std::uint64_t{1} << 40))
      invalid_input("{}: its size overflows: {}", where, shape_string(shape));
    value.shape = std::move(shape);
  }

  /// Types that the file itself says of inner values; what the shape rules find replaces them.
  void declare_types(const ::onnx::GraphProto& proto) {
    for (const auto& info : proto.value_info()) remember_type(info);
    for (const auto& info : proto.output()) remember_type(info);
  }

  void remember_type(const ::onnx::ValueInfoProto& info) {
    if (!info.type().has_tensor_type() || !info.type().tensor_type().elem_type()) return;
    declared_[info.name()] = onnx_ir::dtype_from_onnx(info.type().tensor_type().elem_type(),
                                                      fmt::format("value '{}'", printable(info.name())));
  }

  /// Node indices in an order in which everything is made before it is read (the file's own if it is one, as
  /// ONNX demands). No recursion: graphs may be thousands of nodes deep.
  std::vector<std::size_t> sorted(const ::onnx::GraphProto& proto) const {
    const auto count = static_cast<std::size_t>(proto.node_size());
    const auto label = [&](std::size_t i) { return node_name(proto.node(static_cast<int>(i)), i); };
    std::unordered_map<std::string, std::size_t> makers;
    for (std::size_t i = 0; i < count; ++i) {
      for (const auto& name : proto.node(static_cast<int>(i)).output()) {
        if (name.empty()) continue;
        if (ids_.count(name) || !makers.emplace(name, i).second)
          invalid_input("'{}' is made twice: node '{}'", printable(name), printable(label(i)));
      }
    }
    std::vector<std::size_t> waits(count, 0);
    std::vector<std::vector<std::size_t>> readers(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::unordered_set<std::string> seen;
      for (const auto& name : proto.node(static_cast<int>(i)).input()) {
        if (name.empty() || ids_.count(name) || !seen.insert(name).second) continue;
        const auto maker = makers.find(name);
        if (maker == makers.end())
          invalid_input("node '{}' reads '{}', which nothing defines", printable(label(i)), printable(name));
        if (maker->second == i)
          invalid_input("node '{}' reads its own output '{}'", printable(label(i)), printable(name));
        readers[maker->second].push_back(i);
        ++waits[i];
      }
    }
    std::vector<std::size_t> heap, order;  // ready nodes, the file's earliest first
    const auto later = std::greater<std::size_t>();
    for (std::size_t i = 0; i < count; ++i)
      if (waits[i] == 0) heap.push_back(i);
    std::make_heap(heap.begin(), heap.end(), later);
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end(), later);
      const std::size_t i = heap.back();
      heap.pop_back();
      order.push_back(i);
      for (const std::size_t reader : readers[i]) {
        if (--waits[reader] > 0) continue;
        heap.push_back(reader);
        std::push_heap(heap.begin(), heap.end(), later);
      }
    }
    for (std::size_t i = 0; i < count && order.size() < count; ++i) {
      if (waits[i] == 0) continue;
      for (const auto& name : proto.node(static_cast<int>(i)).input())
        if (const auto maker = makers.find(name); maker != makers.end() && waits[maker->second] > 0)
          invalid_input("the graph is not acyclic: node '{}' reads '{}', which needs its result",
                        printable(label(i)), printable(name));
    }
    return order;
  }

  static std::string node_name(const ::onnx::NodeProto& proto, std::size_t index) {
    return proto.name().empty() ? fmt::format("{}_{}", proto.op_type(), index) : proto.name();
  }

  void add_node(const ::onnx::NodeProto& proto, std::size_t index) {
    Node node;
    node.name = node_name(proto, index);
    node.op = proto.op_type();
    node.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
    node.opset = opset_;
    if (!node.domain.empty()) {
      const auto it = other_domains_.find(node.domain);
      node.opset =
          it == other_domains_.end() ? 0 : static_cast<int>(std::clamp<std::int64_t>(it->second, 0, 1 << 20));
    }
    if (node.is("Constant")) {
      if (proto.output_size() != 1) refuse(node, "{} outputs instead of 1", proto.output_size());
      return define_constant(proto.output(0), constant_value(node, proto, folder_));
    }
    // "edgeclip" holds what our own passes make, with promises between them that a file does not keep.
    const Operator* row =
        node.domain == "edgeclip" ? nullptr : find_operator(node.domain, node.op, node.opset);
    if (!row) refuse_operator(node);
    const auto count = [](const auto& names) {  // trailing empty names are inputs left out
      int n = names.size();
      while (n > 0 && names.Get(n - 1).empty()) --n;
      return n;
    };
    const int inputs = count(proto.input()), outputs = count(proto.output());
    for (int i = 0; i < inputs; ++i)
      node.inputs.push_back(proto.input(i).empty() ? kNoValue : ids_.at(proto.input(i)));
    read_attributes(node, *row, proto, folder_);
    for (int i = 0; i < outputs; ++i) {
      // One that nobody reads gets a name of its own, so that kernels have somewhere to write it.
      std::string name = proto.output(i);
      if (name.empty()) name = fmt::format("unused output {} of node {}", i, graph_.nodes().size());
      Value value;
      if (const auto it = declared_.find(name); it != declared_.end()) value.dtype = it->second;
      node.outputs.push_back(define(name, std::move(value)));
    }
    node.origins = {node.name};
    check_node(node);
    graph_.add_node(std::move(node));
  }

  [[noreturn]] static void refuse_operator(const Node& node) {
    if (!node.domain.empty() && node.opset == 0)
      throw Unsupported(fmt::format(
          "node '{}' ({}): the engine has no operators of domain {}, which the model does not import",
          printable(node.name), printable(node.op), printable(node.domain)));
    if (!node.domain.empty())
      unsupported(node, "the engine has no operators of domain {}", printable(node.domain));
    if (const std::string why = why_left_out(node.op); !why.empty())
      unsupported(node, "the engine leaves this operator out: {}", why);
    std::string versions;
    for (const auto& row : operators())
      if (node.op == row.name && !*row.domain)
        versions += fmt::format("{}{} to {}", versions.empty() ? "" : ", ", row.min_opset, row.max_opset);
    if (!versions.empty())
      unsupported(node, "the engine has {} of opset {} only", printable(node.op), versions);
    unsupported(node, "the engine does not have this operator");
  }

  std::filesystem::path folder_;
  ::onnx::ModelProto model_;
  Graph graph_;
  int opset_ = 0;
  std::unordered_map<std::string, std::int64_t> other_domains_;
  std::unordered_map<std::string, ValueId> ids_;
  std::unordered_map<std::string, DType> declared_;
};

}  // namespace

Graph import_onnx(const std::filesystem::path& path) {
  const auto with_file = [&](const InvalidInput& error) {
    const std::string message = error.what();
    return message.rfind(path.string(), 0) == 0 ? message : path.string() + ": " + message;
  };
  try {
    return Importer(path).import();
  } catch (const Unsupported& error) {
    throw Unsupported(with_file(error));
  } catch (const InvalidInput& error) {
    throw InvalidInput(with_file(error));
  }
}

}  // namespace edgeclip::builder
