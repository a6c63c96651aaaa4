#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <set>

#include "base/atomic_output.h"
#include "base/file.h"
#include "base/measure.h"
#include "base/npy.h"
#include "base/report_file.h"
#include "base/signals.h"
#include "base/threads.h"
#include "builder/compare.h"
#include "builder/compare_precisions.h"
#include "builder/dump_graph.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/layer_profile.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/plan_options.h"
#include "cli/runtime/run_comparison.h"
#include "cli/runtime/runnable_model.h"
#include "engine/runtime/node_profile.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options : PlanOptions {
  std::string model, graph, out, profile, load_refs, dump_graph, dump_dir, compare_precisions, compare_with;
  std::vector<std::string> input;
  int warmup = 0, iterations = 1;
  std::int64_t memory_pool_mb = 4096;
  double rtol = 1e-3, atol = 1e-5, sqnr_limit = builder::kSqnrLimitDb;
  bool reference = false, overwrite = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("model", model, "MODEL.onnx, plan folder or .plan file");
    v("graph", graph, "which graph of a plan folder with several");
    v("input", input, "NAME=F.npy, one per input; repeat the option");
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
    plan_fields(v);
    v("dump_graph", dump_graph,
      "before|after|before,after: writes the graph of a MODEL.onnx around the rewrites");
    v("dump_dir", dump_dir, "folder for graph-before.dot, graph-before.json, ... of --dump-graph");
    v("reference", reference, "runs the readable reference kernels: slow, the oracle");
    v("overwrite", overwrite, "replaces arrays in --out, and the file of --profile");
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

/// Where the outputs go, in the graph's order; nothing without --out.
std::vector<fs::path> output_files(const Options& options, const engine::Graph& graph) {
  std::vector<fs::path> files;
  std::set<std::string> names;
  for (const engine::ValueId id : graph.outputs) {
    if (options.out.empty()) break;
    files.push_back(fs::path(options.out) / file_name(graph.value(id).name));
    if (!names.insert(files.back().string()).second)
      invalid_input("{}: two outputs of {} would be written there; export it with other names",
                    files.back().string(), options.model);
  }
  return files;
}

/// Of an output, for --load-refs.
fs::path reference_file(const Options& options, const std::string& name) {
  const fs::path file = fs::path(options.load_refs) / file_name(name),
                 other = file.parent_path() / ("out." + file_name(name));
  std::error_code error;
  if (fs::exists(file, error)) return file;
  if (fs::exists(other, error)) return other;
  invalid_input("{}: is missing; --load-refs takes NAME.npy or out.NAME.npy of every output of {}",
                file.string(), options.model);
}

/// Checks before the model runs what is written after it.
void check_outputs(const Options& options, const engine::Graph& graph, const std::vector<fs::path>& files) {
  std::vector<std::string> inputs = {options.model};
  for (const std::string& one : options.input) inputs.push_back(one.substr(one.rfind('=') + 1));
  if (!options.load_refs.empty())
    for (const engine::ValueId id : graph.outputs)
      inputs.push_back(reference_file(options, graph.value(id).name).string());
  if (!options.profile.empty())
    require_result_output(options.profile, ReportKind::kJson, inputs, options.overwrite);
  for (const fs::path& file : files) {
    require_result_output(file, ReportKind::kNpy, inputs, options.overwrite);
    if (!options.profile.empty() && output_place(file) == output_place(options.profile))
      invalid_input("--profile {}: is where an output goes; name another file", options.profile);
  }
}

std::vector<Tensor> read_references(const Options& options, const engine::Graph& graph) {
  std::vector<Tensor> references;
  for (const engine::ValueId id : graph.outputs)
    if (!options.load_refs.empty())
      references.push_back(map_npy(reference_file(options, graph.value(id).name)));
  return references;
}

/// {"passed", "cases": [{"name", "passed", "reason"}]}
Json compare_with_refs(const Options& options, const engine::Graph& graph, const std::vector<Tensor>& outputs,
                       const std::vector<Tensor>& references) {
  Json cases = Json::array();
  bool passed = true;
  const builder::Tolerance tolerance{options.rtol, options.atol};
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string wrong = builder::difference(outputs[i], references.at(i), tolerance);
    passed = passed && wrong.empty();
    cases.push_back(
        {{"name", graph.value(graph.outputs[i]).name}, {"passed", wrong.empty()}, {"reason", wrong}});
  }
  return {{"passed", passed}, {"cases", cases}};
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
  const bool cold = report["warmup"].get<int>() == 0;
  if (report["iterations"].get<int>() == 1)
    return print(fmt::format(
        "1 run, {:.3f} ms{}\n", ms["median"].get<double>(),
        cold ? ": the first, cold, making ready included; time others by --warmup 3 --iterations 20" : ""));
  print(fmt::format(
      "{} runs{}, p10 {:.3f} ms, median {:.3f} ms, p90 {:.3f} ms, p99 {:.3f} ms, {:.2f} runs per second\n",
      report["iterations"].get<int>(), cold ? " (the first of them cold)" : "", ms["p10"].get<double>(),
      ms["median"].get<double>(), ms["p90"].get<double>(), ms["p99"].get<double>(),
      report["runs_per_s"].get<double>()));
}

/// Warms up and times, with the names of files in what is refused.
Timed run_timed(engine::Context& context, engine::NodeProfile* profile, const std::vector<RunInput>& inputs,
                const Options& options) {
  const std::vector<TensorView> views = views_of(inputs);
  try {
    for (int i = 0; i < options.warmup; ++i) {
      throw_if_interrupted();
      context.run(views);
    }
    if (profile != nullptr) profile->reset();
    return time_runs(context, views, options.iterations);
  } catch (const InvalidInput& error) {
    throw InvalidInput(with_files(error, options.model, inputs));
  }
}

engine::Session open_session(engine::Graph graph, const Options& options) {
  engine::SessionOptions session_options;
  session_options.memory_pool_mb = options.memory_pool_mb;
  session_options.threads = thread_count();
  session_options.reference = options.reference;
  session_options.packed_cache = options.packed_cache;
  try {
    return engine::Session(std::move(graph), session_options);
  } catch (const InvalidInput& error) {
    throw InvalidInput(with_files(error, options.model, {}));
  }
}

Json run_model(const Options& options) {
  check_dump(options);
  builder::GraphDump dump(options.dump_graph, options.dump_dir, {""}, {options.model});
  RunnableModel model = open_runnable(options.model, options.graph, options.reference, "fp32", dump);
  const engine::Session session = open_session(std::move(model.graph), options);
  const engine::Graph& graph = session.graph();
  const std::vector<RunInput> inputs = read_inputs(model, graph, options.input);
  check_plan_shapes(model, graph, inputs);
  const std::vector<fs::path> files = output_files(options, graph);
  check_outputs(options, graph, files);
  const std::vector<Tensor> references = read_references(options, graph);

  engine::Context context(session);
  std::unique_ptr<engine::NodeProfile> profile;
  if (!options.profile.empty()) profile = std::make_unique<engine::NodeProfile>(context);
  const Timed timed = run_timed(context, profile.get(), inputs, options);

  AtomicFiles written;
  for (std::size_t i = 0; i < files.size(); ++i) write_npy(written.add(files[i]), timed.outputs[i].view());
  const Json layers = profile ? layer_profile(*profile) : Json();
  if (profile) written.add(options.profile).write(json_text(layers) + "\n");
  dump.write();
  written.commit();

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
  }
  report["outputs"] = tensors;
  if (profile) print_layers(layers);
  print_times(report);
  if (!options.load_refs.empty()) {
    report["refs"] = compare_with_refs(options, graph, timed.outputs, references);
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
  const std::pair<const char*, bool> others[] = {
      {"--out", !options.out.empty()},
      {"--profile", !options.profile.empty()},
      {"--load-refs", !options.load_refs.empty()},
      {"--dump-graph", !options.dump_graph.empty()},
      {"--reference", options.reference},
      {"--packed-cache", options.packed_cache},
      {"--warmup", options.warmup != Options().warmup},
      {"--iterations", options.iterations != Options().iterations}};
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
  std::vector<std::string> more_examples() const override {
    return {"run bert.onnx --input input_ids=ids.npy --input attention_mask=mask.npy --out outputs/"};
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
    require_effect(options);
    return options.compare_precisions.empty() && options.compare_with.empty() ? run_model(options)
                                                                              : compare(options);
  }

 private:
  /// Options of which nothing would be seen are mistakes; those of --config only where they say something.
  void require_effect(const Options& options) const {
    for (const auto& [key, value] : given_.items())
      if (value.is_string() && value.get<std::string>().empty()) {
        std::string flag = key;
        std::replace(flag.begin(), flag.end(), '_', '-');
        invalid_input("--{} \"\": names nothing; give it a value, or leave it out", flag);
      }
    const Options usual;
    const auto require = [&](const char* flag, bool given, bool has_effect, const char* what) {
      if (given && !has_effect) invalid_input("{}: has no effect without {}; leave it out", flag, what);
    };
    const bool refs = !options.load_refs.empty(),
               compares = !options.compare_precisions.empty() || !options.compare_with.empty();
    require("--rtol", given_.contains("rtol") || options.rtol != usual.rtol, refs, "--load-refs");
    require("--atol", given_.contains("atol") || options.atol != usual.atol, refs, "--load-refs");
    require("--sqnr-limit", given_.contains("sqnr_limit") || options.sqnr_limit != usual.sqnr_limit, compares,
            "--compare-precisions or --compare-with");
    require("--overwrite", options.overwrite, !options.out.empty() || !options.profile.empty(),
            "--out or --profile");
    require("--packed-cache", options.packed_cache, is_plan(options.model) && !options.reference,
            "a plan that runs by fast kernels");
  }
};

}  // namespace

std::unique_ptr<Command> run_command() { return std::make_unique<RunCommand>(); }

}  // namespace edgeclip
