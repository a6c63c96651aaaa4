#include "builder/dump_graph.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/report_file.h"
#include "engine/graph/shape_inference.h"
#include "engine/ops/support.h"
#include "engine/plan/plan_shapes.h"

namespace edgeclip::builder {

using namespace engine;

namespace fs = std::filesystem;

namespace {

/// How files of graphs begin, by which base/report_file.cpp knows them for ours.
constexpr const char* kGraphMark = "graph of edgeclip";

/// More constants of one node (of a Concat, say) are counted instead of named.
constexpr int kMostConstants = 4;

/// A text inside DOT's quotes; a line break is DOT's own.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string type_of(const Value& value) {
  return fmt::format("{} {}", dtype_name(value.dtype), declared_shape(value));
}

std::string node_text(const Graph& graph, const Node& node) {
  std::string text = quoted(node.domain.empty() ? node.op : node.domain + "." + node.op);
  text += "\\n" + quoted(node.name);
  int constants = 0;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue || !graph.value(id).is_constant() || ++constants > kMostConstants) continue;
    text += "\\n" + quoted(graph.value(id).name + " " + type_of(graph.value(id)));
  }
  if (constants > kMostConstants) text += fmt::format("\\nand {} constants more", constants - kMostConstants);
  return text;
}

Json shape_json(const Value& value) {
  if (!value.shape) return nullptr;
  Json shape = Json::array();
  for (std::size_t d = 0; d < value.shape->size(); ++d) {
    const std::int64_t dim = (*value.shape)[d];
    const bool named = d < value.symbols.size() && !value.symbols[d].empty();
    shape.push_back(dim >= 0 ? Json(dim) : named ? Json(value.symbols[d]) : Json(nullptr));
  }
  return shape;
}

Json value_json(const Value& value) {
  return {{"name", value.name}, {"dtype", dtype_name(value.dtype)}, {"shape", shape_json(value)}};
}

Json values_json(const Graph& graph, const std::vector<ValueId>& ids) {
  Json list = Json::array();
  for (const ValueId id : ids) list.push_back(id == kNoValue ? Json(nullptr) : value_json(graph.value(id)));
  return list;
}

struct AttributeJson {
  template <class T>
  Json operator()(const T& value) const {
    return value;
  }
  Json operator()(const Tensor& tensor) const {
    return {{"dtype", dtype_name(tensor.dtype())}, {"shape", tensor.shape()}};
  }
};

Json node_json(const Graph& graph, const Node& node) {
  Json inputs = Json::array(), attributes = Json::object();
  for (const ValueId id : node.inputs)
    inputs.push_back(id == kNoValue ? Json(nullptr) : Json(graph.value(id).name));
  for (const auto& [name, value] : node.attributes) attributes[name] = std::visit(AttributeJson(), value);
  return {{"name", node.name},        {"op", node.op},          {"domain", node.domain},
          {"opset", node.opset},      {"inputs", inputs},       {"outputs", values_json(graph, node.outputs)},
          {"attributes", attributes}, {"origins", node.origins}};
}

std::vector<std::string> parse_stages(const std::string& text) {
  std::vector<std::string> stages;
  for (std::size_t from = 0; !text.empty() && from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    const std::string stage = text.substr(from, comma - from);
    if (stage != "before" && stage != "after")
      invalid_input("--dump-graph {}: \"{}\" is neither before nor after the rewrites{}", text, stage,
                    did_you_mean(stage, {"before", "after"}));
    if (std::find(stages.begin(), stages.end(), stage) == stages.end()) stages.push_back(stage);
    from = comma + 1;
  }
  return stages;
}

std::string file_of(const std::string& folder, const std::string& stage, const char* extension) {
  return (fs::path(folder) / ("graph-" + stage + extension)).string();
}

}  // namespace

std::string graph_dot(const Graph& graph) {
  std::string dot =
      fmt::format("// {}, for GraphViz: dot -Tsvg FILE\ndigraph \"{}\" {{\n  node [shape=box]\n", kGraphMark,
                  quoted(graph.name));
  std::vector<std::string> makers(graph.value_count());  // DOT's name of what gives a value
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    makers[static_cast<std::size_t>(graph.inputs[i])] = fmt::format("input{}", i);
    dot += fmt::format("  input{} [shape=ellipse, label=\"{}\\n{}\"]\n", i, quoted(value.name),
                       quoted(type_of(value)));
  }
  const auto edge = [&](ValueId id, const std::string& to) {
    if (id == kNoValue || makers[static_cast<std::size_t>(id)].empty()) return;  // left out, or a constant
    dot += fmt::format("  {} -> {} [label=\"{}\"]\n", makers[static_cast<std::size_t>(id)], to,
                       quoted(type_of(graph.value(id))));
  };
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const std::string name = fmt::format("node{}", n);
    dot += fmt::format("  {} [label=\"{}\"]\n", name, node_text(graph, node));
    for (const ValueId id : node.inputs) edge(id, name);
    for (const ValueId id : node.outputs)
      if (id != kNoValue) makers[static_cast<std::size_t>(id)] = name;
  }
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    const std::string name = fmt::format("output{}", i);
    dot +=
        fmt::format("  {} [shape=ellipse, label=\"{}\"]\n", name, quoted(graph.value(graph.outputs[i]).name));
    edge(graph.outputs[i], name);
  }
  return dot + "}\n";
}

Json graph_json(const Graph& graph) {
  Json constants = Json::array(), nodes = Json::array();
  for (std::size_t i = 0; i < graph.value_count(); ++i)
    if (const Value& value = graph.value(static_cast<ValueId>(i)); value.is_constant())
      constants.push_back(value_json(value));
  for (const Node& node : graph.nodes()) nodes.push_back(node_json(graph, node));
  return {{"kind", kGraphMark},
          {"graph", graph.name},
          {"inputs", values_json(graph, graph.inputs)},
          {"outputs", values_json(graph, graph.outputs)},
          {"constants", constants},
          {"nodes", nodes}};
}

GraphDump::GraphDump(const std::string& stages, const std::string& directory,
                     const std::vector<std::string>& folders, const std::vector<std::string>& inputs)
    : stages_(parse_stages(stages)), directory_(directory) {
  if (stages.empty() && !directory.empty())
    invalid_input("--dump-dir {}: there is nothing to write; add --dump-graph before,after", directory);
  if (!stages.empty() && directory.empty())
    invalid_input("--dump-graph {}: name the folder for the graphs by --dump-dir DIR", stages);
  for (const std::string& stage : stages_)
    for (const std::string& folder : folders)
      for (const char* extension : {".dot", ".json"})
        require_report_output(fs::path(directory_) / file_of(folder, stage, extension), ReportKind::kGraph,
                              inputs);
}

void GraphDump::add(const std::string& stage, const Graph& graph, const std::string& folder) {
  if (std::find(stages_.begin(), stages_.end(), stage) == stages_.end()) return;
  Graph annotated = graph;  // values that a rewrite made have no shape yet
  annotate_shapes(annotated);
  files_.emplace_back(file_of(folder, stage, ".dot"), graph_dot(annotated));
  files_.emplace_back(file_of(folder, stage, ".json"), json_text(graph_json(annotated)) + "\n");
}

void GraphDump::write() {
  for (const auto& [name, text] : files_) {
    AtomicFile file(fs::path(directory_) / name);
    file.write(text);
    file.commit();
  }
  if (!files_.empty()) spdlog::info("{}: {} files of graphs", directory_, files_.size());
  files_.clear();
}

}  // namespace edgeclip::builder
