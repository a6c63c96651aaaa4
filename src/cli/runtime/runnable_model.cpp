#include "cli/runtime/runnable_model.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/io_error.h"
#include "base/npy.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "builder/precision/apply_precision.h"
#include "engine/plan/plan_file.h"

namespace edgeclip {

namespace fs = std::filesystem;

bool is_plan(const std::string& path) {
  return file_type_at(path) == fs::file_type::directory || fs::path(path).extension() == ".plan";
}

RunnableModel open_runnable(const std::string& path, const std::string& graph, bool plain,
                            const std::string& precision, builder::GraphDump& dump) {
  if (file_type_at(path) == fs::file_type::directory) {
    engine::PlanInfo plan = engine::open_plan_info(path);
    if (graph.empty() && plan.graphs.size() > 1)
      invalid_input("{}: has several graphs ({}); name one by --graph", path, fmt::join(plan.graphs, ", "));
    const std::string name = graph.empty() ? plan.graphs.at(0) : graph;
    engine::Graph opened = engine::open_plan_graph(plan, name);
    return {std::move(opened), std::move(plan), name};
  }
  if (!graph.empty()) invalid_input("--graph {}: {} is no plan folder", graph, path);
  require_file(path, "model");
  if (is_plan(path)) return {engine::read_plan_graph(path), {}, {}};
  engine::Graph imported = builder::import_onnx(path);
  dump.add("before", imported);
  if (!plain) {
    builder::optimize(imported);
    builder::apply_precision(imported, precision);
  }
  dump.add("after", imported);
  return {std::move(imported), {}, {}};
}

std::vector<Tensor> read_inputs(const engine::Graph& graph, const std::vector<std::string>& given) {
  std::vector<std::string> names;
  for (const engine::ValueId id : graph.inputs) names.push_back(graph.value(id).name);
  std::vector<Tensor> tensors(names.size());
  for (const std::string& one : given) {
    const std::size_t equals = one.rfind('=');  // a name may hold one, a path rather not
    const std::string name = one.substr(0, equals);
    if (equals == std::string::npos || name.empty()) invalid_input("--input {}: is not NAME=F.npy", one);
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end())
      invalid_input("--input {}: the model has no input {}; it has {}", one, name, fmt::join(names, ", "));
    Tensor& tensor = tensors[static_cast<std::size_t>(it - names.begin())];
    if (tensor.defined()) invalid_input("--input {}: is given twice", name);
    tensor = read_npy(one.substr(equals + 1));
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!tensors[i].defined())
      invalid_input("input {} is missing; give it by --input {}=F.npy", names[i], names[i]);
  return tensors;
}

}  // namespace edgeclip
