#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <optional>

#include "base/file.h"
#include "base/io_error.h"
#include "base/measure.h"
#include "base/npy.h"
#include "base/report_file.h"
#include "base/signals.h"
#include "builder/compare.h"
#include "builder/dump_graph.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "engine/plan/plan.h"
#include "engine/plan/plan_file.h"
#include "engine/runtime/node_profile.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options {
  std::string model, graph, out, profile, load_refs, dump_graph, dump_dir;
  std::vector<std::string> input;
  int warmup = 0, iterations = 1;
  std::int64_t memory_pool_mb = 4096;
  double rtol = 1e-3, atol = 1e-5;
  bool reference = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("model", model, "MODEL.onnx, plan folder or .plan file");
    v("graph", graph, "which graph of a plan folder with several");
    v("input", input, "NAME=F.npy, one per input of the model");
    v("out", out, "folder for the outputs, NAME.npy each");
    v("profile", profile, "JSON file for the time of every layer");
    v("warmup", warmup, "runs that are not timed");
    v("iterations", iterations, "timed runs");
    v("load_refs", load_refs, "folder of NAME.npy (or out.NAME.npy) to compare the outputs with");
    v("rtol", rtol, "most an output may differ, as a share of the reference value");
    v("atol", atol, "and added to that");
    v("memory_pool_mb", memory_pool_mb, "most memory of activations, MiB");
    v("dump_graph", dump_graph,
      "before|after|before,after: writes the graph of a MODEL.onnx around the rewrites");
    v("dump_dir", dump_dir, "folder for graph-before.dot, graph-before.json, ... of --dump-graph");
    v("reference", reference, "runs the readable reference kernels: slow, the oracle");
  }
  void validate(const std::string& where) const {
    if (warmup < 0) invalid_input("{}warmup: {} is not at least 0", where, warmup);
    if (iterations < 1) invalid_input("{}iterations: {} is not at least 1", where, iterations);
    for (const double value : {rtol, atol})
      if (!(value >= 0)) invalid_input("{}rtol, atol: {} is not at least 0", where, value);
  }
};

struct OpenedModel {
  engine::Graph graph;
  std::optional<engine::PlanInfo> plan;  ///< that the graph is of
  std::string name;                      ///< in the plan
};

OpenedModel open_model(const Options& options, builder::GraphDump& dump) {
  const fs::path path = options.model;
  const bool folder = file_type_at(path) == fs::file_type::directory;
  if (!options.dump_graph.empty() && (folder || path.extension() == ".plan"))
    invalid_input("--dump-graph: {} is built already; dump while it is built: {} build --dump-graph {}",
                  options.model, program_name(), options.dump_graph);
  if (!options.dump_graph.empty() && options.reference)
    invalid_input("--dump-graph and --reference exclude each other: the oracle rewrites nothing; drop one");
  if (folder) {
    engine::PlanInfo plan = engine::open_plan_info(path);
    if (options.graph.empty() && plan.graphs.size() > 1)
      invalid_input("{}: has several graphs ({}); name one by --graph", options.model,
                    fmt::join(plan.graphs, ", "));
    const std::string name = options.graph.empty() ? plan.graphs.at(0) : options.graph;
    engine::Graph graph = engine::open_plan_graph(plan, name);
    return {std::move(graph), std::move(plan), name};
  }
  if (!options.graph.empty()) invalid_input("--graph {}: {} is no plan folder", options.graph, options.model);
  require_file(path, "model");
  if (path.extension() == ".plan") return {engine::read_plan_graph(path), {}, {}};
  engine::Graph graph = builder::import_onnx(path);
  dump.add("before", graph);
  if (!options.reference) builder::optimize(graph);
  dump.add("after", graph);
  return {std::move(graph), {}, {}};
}

/// A value's name as that of a file.
std::string file_name(std::string name) {
  std::replace(name.begin(), name.end(), '/', '_');
  return name + ".npy";
}

/// The inputs in the graph's order.
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

void check_outputs(const Options& options, const engine::Graph& graph) {
  if (!options.profile.empty()) require_report_output(options.profile, ReportKind::kJson, {options.model});
  if (options.out.empty()) return;
  std::vector<std::string> inputs = {options.model};
  for (const std::string& one : options.input) inputs.push_back(one.substr(one.rfind('=') + 1));
  for (const engine::ValueId id : graph.outputs)
    require_report_output(fs::path(options.out) / file_name(graph.value(id).name), ReportKind::kNpy, inputs);
}

/// {"passed", "cases": [{"name", "passed", "reason"}]}
Json compare_with_refs(const Options& options, const engine::Graph& graph,
                       const std::vector<Tensor>& outputs) {
  Json cases = Json::array();
  bool passed = true;
  builder::Tolerance tolerance{options.rtol, options.atol};
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = graph.value(graph.outputs[i]).name;
    fs::path file = fs::path(options.load_refs) / file_name(name);
    if (const fs::path other = file.parent_path() / ("out." + file_name(name));
        !fs::exists(file) && fs::exists(other))
      file = other;
    const std::string wrong = builder::difference(outputs[i], read_npy(file), tolerance);
    passed = passed && wrong.empty();
    cases.push_back({{"name", name}, {"passed", wrong.empty()}, {"reason", wrong}});
  }
  return {{"passed", passed}, {"cases", cases}};
}

void print_layers(const Json& profile) {
  for (const Json& layer : profile.at("layers"))
    print(fmt::format("{:>9.3f} ms {:>5.1f} %  {:<40} {:<20} {}\n", layer["ms"].get<double>(),
                      100 * layer["share"].get<double>(), layer["name"].get<std::string>(),
                      layer["op"].get<std::string>(), layer["kernel"].get<std::string>()));
}

Json run_model(const Options& options) {
  engine::SessionOptions session_options;
  session_options.memory_pool_mb = options.memory_pool_mb;
  session_options.reference = options.reference;
  builder::GraphDump dump(options.dump_graph, options.dump_dir, {""}, {options.model});
  OpenedModel model = open_model(options, dump);
  const engine::Session session(std::move(model.graph), session_options);
  const engine::Graph& graph = session.graph();
  check_outputs(options, graph);
  const std::vector<Tensor> inputs = read_inputs(graph, options.input);
  std::vector<TensorView> views;
  std::vector<Shape> shapes;
  for (const Tensor& tensor : inputs) {
    views.push_back(tensor.view());
    shapes.push_back(tensor.shape());
  }
  if (model.plan) engine::check_input_shapes(*model.plan, model.name, graph, shapes);

  engine::Context context(session);
  std::unique_ptr<engine::NodeProfile> profile;
  if (!options.profile.empty()) profile = std::make_unique<engine::NodeProfile>(context);
  for (int i = 0; i < options.warmup; ++i) {
    throw_if_interrupted();
    context.run(views);
  }
  if (profile) profile->reset();
  std::vector<Tensor> outputs;
  std::vector<double> ms;
  for (int i = 0; i < options.iterations; ++i) {
    throw_if_interrupted();
    const auto start = std::chrono::steady_clock::now();
    outputs = context.run(views);
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }

  dump.write();
  Json report = {
      {"model", options.model}, {"iterations", options.iterations}, {"latency_ms", latency_json(ms)}};
  Json tensors = Json::array();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = graph.value(graph.outputs[i]).name;
    tensors.push_back(
        {{"name", name}, {"dtype", dtype_name(outputs[i].dtype())}, {"shape", outputs[i].shape()}});
    print(fmt::format("{} {} {}\n", name, dtype_name(outputs[i].dtype()), shape_string(outputs[i].shape())));
    if (!options.out.empty()) write_npy(fs::path(options.out) / file_name(name), outputs[i]);
  }
  report["outputs"] = tensors;
  if (profile) {
    Json layers = {{"command", "run"}, {"program", program_name()}};  // by which it is known as a report
    layers.update(profile->json());
    print_layers(layers);
    write_json(options.profile, layers);
  }
  print(fmt::format("{} runs, median {:.3f} ms\n", ms.size(), report["latency_ms"]["median"].get<double>()));
  if (!options.load_refs.empty()) {
    report["refs"] = compare_with_refs(options, graph, outputs);
    for (const Json& one : report["refs"]["cases"])
      if (!one["passed"].get<bool>())
        throw CheckNotMetWithReport(
            fmt::format("output {} {}", one["name"].get<std::string>(), one["reason"].get<std::string>()),
            report);
  }
  return report;
}

class RunCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "run"; }
  const char* summary() const override {
    return "Runs any ONNX model or plan on arrays, and times its layers";
  }
  const char* example() const override {
    return "run model.onnx --input x=x.npy --out outputs/ --profile layers.json";
  }

  void declare(CLI::App& app) override {
    OptionsCommand::declare(app);
    app.add_option_function<std::string>(
        "MODEL", [this](const std::string& model) { given_["model"] = model; },
        "ONNX file, plan folder or .plan file");
  }

 protected:
  Json execute(const Options& options) override {
    if (options.model.empty()) invalid_input("name a MODEL; see \"{} run --help\"", program_name());
    return run_model(options);
  }
};

}  // namespace

std::unique_ptr<Command> run_command() { return std::make_unique<RunCommand>(); }

}  // namespace edgeclip
