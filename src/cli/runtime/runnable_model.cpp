#include "cli/runtime/runnable_model.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/io_error.h"
#include "base/npy.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "builder/precision/apply_precision.h"
#include "builder/quantize/quantize_graph.h"
#include "engine/plan/plan_file.h"

namespace edgeclip {

namespace fs = std::filesystem;

bool is_plan(const std::string& path) {
  return file_type_at(path) == fs::file_type::directory || fs::path(path).extension() == ".plan";
}

namespace {

/// As `build` without --calibration does it.
void set_precision(engine::Graph& graph, const std::string& path, const std::string& precision) {
  if (precision == "mixed")
    invalid_input(
        "{}: mixed measures every layer on samples; build a plan of it by build --precision mixed --calibration "
        "FOLDER, and name that by --compare-with",
        path);
  if (precision == "int8") {
    builder::GraphQuantization by_row;
    by_row.where = path;
    by_row.label = "model";
    by_row.options.exclude.clear();  // those are names of our own exports
    builder::quantize_graph(graph, by_row);
  }
  builder::apply_precision(graph, precision);
}

}  // namespace

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
    set_precision(imported, path, precision);
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
