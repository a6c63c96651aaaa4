#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "base/measure.h"
#include "base/npy.h"
#include "base/report_file.h"
#include "base/signals.h"
#include "base/threads.h"
#include "builder/compare.h"
#include "builder/compare_precisions.h"
#include "builder/dump_graph.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/run_comparison.h"
#include "cli/runtime/runnable_model.h"
#include "engine/runtime/node_profile.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options {
  std::string model, graph, out, profile, load_refs, dump_graph, dump_dir, compare_precisions, compare_with;
  std::vector<std::string> input;
  int warmup = 0, iterations = 1;
  std::int64_t memory_pool_mb = 4096;
  double rtol = 1e-3, atol = 1e-5, sqnr_limit = builder::kSqnrLimitDb;
  bool reference = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("model", model, "MODEL.onnx, plan folder or .plan file");
    v("graph", graph, "which graph of a plan folder with several");
    v("input", input, "NAME=F.npy, one per input of the model");
    v("out", out, "folder for the outputs, NAME.npy each");
    v("profile", profile,
      "JSON file for every layer: its time, multiply-accumulates, and share of what this machine can do");
    v("warmup", warmup, "runs that are not timed");
    v("iterations", iterations, "timed runs");
    v("load_refs", load_refs, "folder of NAME.npy (or out.NAME.npy) to compare the outputs with");
    v("rtol", rtol, "most an output may differ, as a share of the reference value");
    v("atol", atol, "and added to that");
    v("compare_precisions", compare_precisions,
      "A,B (as in fp32,bf16): runs a MODEL.onnx in both and names the first layer whose values differ too "
      "much");
    v("compare_with", compare_with, "the same of MODEL and another plan or ONNX file of that model");
    v("sqnr_limit", sqnr_limit, "least signal-to-quantization-noise ratio of a layer compared so, dB");
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
    if (!std::isfinite(sqnr_limit)) invalid_input("{}sqnr_limit: is no number of decibels", where);
  }
};

void check_dump(const Options& options) {
  if (options.dump_graph.empty()) return;
  if (is_plan(options.model))
    invalid_input("--dump-graph: {} is built already; dump while it is built: {} build --dump-graph {}",
                  options.model, program_name(), options.dump_graph);
  if (options.reference)
    invalid_input("--dump-graph and --reference exclude each other: the oracle rewrites nothing; drop one");
}

/// A value's name as that of a file.
std::string file_name(std::string name) {
  std::replace(name.begin(), name.end(), '/', '_');
  return name + ".npy";
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

/// "23.4" or nothing.
std::string percent(const Json& share) {
  return share.is_null() ? std::string() : fmt::format("{:.1f}", 100 * share.get<double>());
}

void print_layers(const Json& profile) {
  print(fmt::format("{:>12} {:>7} {:>10} {:>10}  {:<40} {:<20} {:<6} {}\n", "ms", "time %", "MMACs",
                    "roofline %", "layer", "operator", "", "kernel"));
  for (const Json& layer : profile.at("layers"))
    print(fmt::format("{:>12.3f} {:>7} {:>10.2f} {:>10}  {:<40} {:<20} {:<6} {}\n", layer["ms"].get<double>(),
                      percent(layer["share"]), 1e-6 * layer["macs"].get<double>(),
                      percent(layer["roofline_share"]), layer["name"].get<std::string>(),
                      layer["op"].get<std::string>(), layer["precision"].get<std::string>(),
                      layer["kernel"].get<std::string>()));
  print(fmt::format("{:>12.3f} ms, {:.2f} MMACs; this machine: {:.1f} GMAC/s float32, {:.1f} GB/s\n",
                    profile["total_ms"].get<double>(), 1e-6 * profile["total_macs"].get<double>(),
                    profile["peak_gmacs"].get<double>(), profile["peak_gb_s"].get<double>()));
}

/// The layers, with the roofs of this machine, which are measured now: nothing else runs.
Json profile_json(const engine::NodeProfile& profile) {
  std::map<std::string, double> gmacs;
  for (const std::string& precision : profile.multiplied_precisions())
    if (precision == "bf16" || precision == "int8")
      gmacs[precision] = engine::measure_gmacs(precision, thread_count());
  Json layers = {{"command", "run"}, {"program", program_name()}};  // by which it is known as a report
  layers.update(profile.json(engine::measure_peaks(thread_count()), gmacs));
  return layers;
}

/// What the timed runs took.
struct Timed {
  std::vector<Tensor> outputs;
  QuantileSketch ms;
  double seconds = 0;
  ResourceUsage usage;
};

Timed time_runs(engine::Context& context, const std::vector<TensorView>& inputs, int iterations) {
  Timed timed;
  ResourceSampler sampler;
  const Stopwatch all;
  for (int i = 0; i < iterations; ++i) {
    throw_if_interrupted();
    const Stopwatch one;
    timed.outputs = context.run(inputs);
    timed.ms.add(one.ms());
  }
  timed.seconds = all.seconds();
  timed.usage = sampler.stop();
  return timed;
}

void print_times(const Json& report) {
  const Json& ms = report.at("latency_ms");
  print(fmt::format(
      "{} runs, p10 {:.3f} ms, median {:.3f} ms, p90 {:.3f} ms, p99 {:.3f} ms, {:.2f} runs per second\n",
      report["iterations"].get<int>(), ms["p10"].get<double>(), ms["median"].get<double>(),
      ms["p90"].get<double>(), ms["p99"].get<double>(), report["runs_per_s"].get<double>()));
}

Json run_model(const Options& options) {
  check_dump(options);
  engine::SessionOptions session_options;
  session_options.memory_pool_mb = options.memory_pool_mb;
  session_options.threads = thread_count();
  session_options.reference = options.reference;
  builder::GraphDump dump(options.dump_graph, options.dump_dir, {""}, {options.model});
  RunnableModel model = open_runnable(options.model, options.graph, options.reference, "fp32", dump);
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
  const Timed timed = time_runs(context, views, options.iterations);

  dump.write();
  Json report = {{"model", options.model},
                 {"warmup", options.warmup},
                 {"iterations", options.iterations},
                 {"latency_ms", latency_json(timed.ms)},
                 {"runs_per_s", options.iterations / std::max(timed.seconds, 1e-9)}};
  report.update(usage_json(timed.usage));
  Json tensors = Json::array();
  for (std::size_t i = 0; i < timed.outputs.size(); ++i) {
    const Tensor& output = timed.outputs[i];
    const std::string& name = graph.value(graph.outputs[i]).name;
    tensors.push_back({{"name", name}, {"dtype", dtype_name(output.dtype())}, {"shape", output.shape()}});
    print(fmt::format("{} {} {}\n", name, dtype_name(output.dtype()), shape_string(output.shape())));
    if (!options.out.empty()) write_npy(fs::path(options.out) / file_name(name), output);
  }
  report["outputs"] = tensors;
  if (profile) {
    const Json layers = profile_json(*profile);
    print_layers(layers);
    write_json(options.profile, layers);
  }
  print_times(report);
  if (!options.load_refs.empty()) {
    report["refs"] = compare_with_refs(options, graph, timed.outputs);
    for (const Json& one : report["refs"]["cases"])
      if (!one["passed"].get<bool>())
        throw CheckNotMetWithReport(
            fmt::format("output {} {}", one["name"].get<std::string>(), one["reason"].get<std::string>()),
            report);
  }
  return report;
}

/// Two runs are compared value by value; what concerns one run alone has no place there.
Json compare(const Options& options) {
  if (!options.compare_precisions.empty() && !options.compare_with.empty())
    invalid_input("--compare-precisions and --compare-with exclude each other; drop one");
  const char* option = options.compare_with.empty() ? "--compare-precisions" : "--compare-with";
  const std::pair<const char*, bool> others[] = {{"--out", !options.out.empty()},
                                                 {"--profile", !options.profile.empty()},
                                                 {"--load-refs", !options.load_refs.empty()},
                                                 {"--dump-graph", !options.dump_graph.empty()},
                                                 {"--reference", options.reference}};
  for (const auto& [name, given] : others)
    if (given) invalid_input("{} and {} exclude each other; drop one", option, name);
  return compare_runs({options.model, options.graph, options.compare_precisions, options.compare_with,
                       options.sqnr_limit, options.input, options.memory_pool_mb});
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
    return options.compare_precisions.empty() && options.compare_with.empty() ? run_model(options)
                                                                              : compare(options);
  }
};

}  // namespace

std::unique_ptr<Command> run_command() { return std::make_unique<RunCommand>(); }

}  // namespace edgeclip
