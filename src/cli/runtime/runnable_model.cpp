#include "cli/runtime/runnable_model.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/npy.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "builder/precision/apply_precision.h"
#include "builder/quantize/quantize_graph.h"
#include "engine/ops/support.h"
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
        "{}: mixed measures every layer on samples; build a plan of it by build --precision mixed "
        "--calibration "
        "FOLDER, and name that by --compare-with",
        path);
  if (precision == "int8") {
    builder::GraphQuantization by_row;
    by_row.where = path;
    by_row.label = "model";
    by_row.remedy =
        "build a plan of it by build --precision int8 --calibration FOLDER, and name that by --compare-with";
    by_row.options.exclude.clear();  // those are names of our own exports
    builder::quantize_graph(graph, by_row);
  }
  builder::apply_precision(graph, precision);
}

std::vector<std::string> constants_of(const engine::Graph& graph) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < graph.value_count(); ++i)
    if (const engine::Value& value = graph.value(static_cast<engine::ValueId>(i)); value.is_constant())
      names.push_back(value.name);
  return names;
}

RunnableModel open_plan(const std::string& path, engine::PlanInfo plan, const std::string& name) {
  RunnableModel model{path, engine::open_plan_graph(plan, name), std::move(plan), name, {}};
  model.constants = constants_of(model.graph);
  return model;
}

/// A file of a plan's folder is that plan's, whose shapes it keeps to; else it runs by itself.
RunnableModel open_plan_file(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path().empty() ? fs::path(".") : fs::path(path).parent_path();
  const std::string name = fs::path(path).stem().string();
  if (file_type_at(folder / "plan.json") == fs::file_type::regular) {
    engine::PlanInfo plan;
    try {
      plan = engine::open_plan_info(folder);
    } catch (const InvalidInput& error) {
      invalid_input("{} (or copy {} out of that folder to run it by itself)", error.what(), path);
    }
    if (plan.has(name)) {
      spdlog::info("{}: is read as graph {} of the plan {}", path, name, folder.string());
      return open_plan(path, std::move(plan), name);
    }
  }
  RunnableModel model{path, engine::read_plan_graph(path), {}, {}, {}};
  model.constants = constants_of(model.graph);
  return model;
}

/// "(batch, 3) float32"
std::string declared(const engine::Value& value) {
  return fmt::format("{} {}", engine::declared_shape(value), dtype_name(value.dtype));
}

bool takes(const engine::Value& value, const Tensor& tensor) {
  const bool widens = value.dtype == DType::i64 && tensor.dtype() == DType::i32;
  return (tensor.dtype() == value.dtype || widens) && engine::shape_fits(tensor.shape(), value);
}

/// That every input is what the graph says, and dimensions of one name are of one size.
void check_inputs(const std::string& model, const engine::Graph& graph, const std::vector<RunInput>& inputs) {
  struct Seen {
    std::int64_t size;
    std::string file;
  };
  std::map<std::string, Seen> symbols;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const engine::Value& value = graph.value(graph.inputs[i]);
    const Tensor& tensor = inputs[i].tensor;
    if (!takes(value, tensor))
      invalid_input("{}: is {} {}; input {} of {} is {}; save it as such", inputs[i].file,
                    shape_string(tensor.shape()), dtype_name(tensor.dtype()), value.name, model,
                    declared(value));
    for (std::size_t d = 0; value.shape && d < value.symbols.size(); ++d) {
      if (value.symbols[d].empty() || (*value.shape)[d] >= 0) continue;
      const auto [it, fresh] = symbols.try_emplace(value.symbols[d], Seen{tensor.shape()[d], inputs[i].file});
      if (!fresh && it->second.size != tensor.shape()[d])
        invalid_input("{}: is {}; input {} of {} is {}, and {} is {} in {}; give both the same",
                      inputs[i].file, shape_string(tensor.shape()), value.name, model, declared(value),
                      value.symbols[d], it->second.size, it->second.file);
    }
  }
}

}  // namespace

RunnableModel open_runnable(const std::string& path, const std::string& graph, bool plain,
                            const std::string& precision, builder::GraphDump& dump) {
  if (file_type_at(path) == fs::file_type::directory) {
    engine::PlanInfo plan = engine::open_plan_info(path);
    if (graph.empty() && plan.graphs.size() > 1)
      invalid_input("{}: has several graphs ({}); name one by --graph", path, fmt::join(plan.graphs, ", "));
    const std::string name = graph.empty() ? plan.graphs.at(0) : graph;
    return open_plan(path, std::move(plan), name);
  }
  if (!graph.empty()) invalid_input("--graph {}: {} is no plan folder", graph, path);
  require_file(path, "model");
  if (fs::path(path).filename() == "plan.json")
    invalid_input("{}: is only the head of a plan; name its folder: {}", path,
                  fs::path(path).parent_path().empty() ? "." : fs::path(path).parent_path().string());
  if (is_plan(path)) return open_plan_file(path);
  engine::Graph imported = builder::import_onnx(path);
  std::vector<std::string> constants = constants_of(imported);
  dump.add("before", imported);
  if (!plain) {
    builder::optimize(imported);
    set_precision(imported, path, precision);
  }
  dump.add("after", imported);
  return {path, std::move(imported), {}, {}, std::move(constants)};
}

std::vector<RunInput> read_inputs(const RunnableModel& model, const engine::Graph& graph,
                                  const std::vector<std::string>& given) {
  std::vector<std::string> names;
  for (const engine::ValueId id : graph.inputs) names.push_back(graph.value(id).name);
  std::vector<RunInput> inputs(names.size());
  for (const std::string& one : given) {
    const std::size_t equals = one.rfind('=');  // a name may hold one, a path rather not
    const std::string name = one.substr(0, equals);
    if (equals == std::string::npos || name.empty()) invalid_input("--input {}: is not NAME=F.npy", one);
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end() && std::count(model.constants.begin(), model.constants.end(), name) > 0)
      invalid_input("--input {}: {} is a constant of {} (an initializer); only {} can be given", one, name,
                    model.path, names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", ")));
    if (it == names.end())
      invalid_input("--input {}: the model has no input {}{}; it has {}", one, name,
                    did_you_mean(name, names), fmt::join(names, ", "));
    RunInput& input = inputs[static_cast<std::size_t>(it - names.begin())];
    if (input.tensor.defined()) invalid_input("--input {}: is given twice", name);
    input = {name, one.substr(equals + 1), read_npy(one.substr(equals + 1))};
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!inputs[i].tensor.defined())
      invalid_input("input {} of {} is missing: {}; give it by --input {}=F.npy", names[i], model.path,
                    declared(graph.value(graph.inputs[i])), names[i]);
  check_inputs(model.path, graph, inputs);
  return inputs;
}

std::vector<TensorView> views_of(const std::vector<RunInput>& inputs) {
  std::vector<TensorView> views;
  for (const RunInput& input : inputs) views.push_back(input.tensor.view());
  return views;
}

void check_plan_shapes(const RunnableModel& model, const engine::Graph& graph,
                       const std::vector<RunInput>& inputs) {
  if (!model.plan || graph.inputs.size() != inputs.size()) return;
  std::vector<Shape> shapes;
  for (const RunInput& input : inputs) shapes.push_back(input.tensor.shape());
  try {
    engine::check_input_shapes(*model.plan, model.name, graph, shapes);
  } catch (const InvalidInput& error) {
    const std::string message = error.what();  // "input x: ..."
    for (const RunInput& input : inputs)
      if (message.rfind("input " + input.name + ":", 0) == 0) invalid_input("{}: {}", input.file, message);
    throw;
  }
}

std::string with_files(const InvalidInput& error, const std::string& model,
                       const std::vector<RunInput>& inputs) {
  std::string message = error.what();
  if (message.rfind(model, 0) != 0) message = model + ": " + message;
  // What a node refuses while it runs is what came into the model; other refusals name their own remedy.
  const bool of_node = message.find("node '") != std::string::npos;
  if (!of_node || dynamic_cast<const engine::Unsupported*>(&error) || inputs.empty()) return message;
  constexpr std::size_t kMost = 4;
  std::vector<std::string> files;
  for (const RunInput& input : inputs) files.push_back(input.file);
  const std::string more = files.size() > kMost ? ", ..." : "";
  files.resize(std::min(files.size(), kMost));
  return fmt::format("{}; mend what was given: {}{}", message, fmt::join(files, ", "), more);
}

}  // namespace edgeclip
