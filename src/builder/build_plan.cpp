#include "builder/build_plan.h"

#include <algorithm>

#include "base/atomic_output.h"
#include "base/log.h"
#include "base/signals.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "builder/precision/narrow_weights.h"
#include "builder/precision/quantize_tables.h"
#include "builder/quantize/static_quantize.h"
#include "bundle/bundle.h"
#include "engine/plan/plan.h"
#include "engine/plan/plan_file.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;

namespace fs = std::filesystem;

namespace {

/// What a graph of float32 becomes.
void apply_precision(Graph& graph, const std::string& precision, Json& passes) {
  if (precision == "bf16") passes["narrow_weights"] = narrow_weights(graph, DType::bf16);
  if (precision == "fp16") passes["narrow_weights"] = narrow_weights(graph, DType::f16);
  if (precision == "int8") passes["quantize_tables"] = quantize_tables(graph);
}

void check_precision(const std::string& precision) {
  const std::vector<std::string> known = {"fp32", "fp16", "bf16", "int8"};
  if (std::find(known.begin(), known.end(), precision) == known.end())
    invalid_input("--precision {}: unknown{}", precision, did_you_mean(precision, known));
}

/// Where the two ONNX files of the wanted precision lie: in the bundle, or in `work` after calibration.
fs::path models_of_precision(const BuildOptions& options, const Bundle& bundle, const fs::path& work) {
  const bool sixteen = options.precision == "bf16" || options.precision == "fp16";
  if (bundle.precision == options.precision || (sixteen && bundle.precision == "fp32")) {
    if (!options.calibration.empty())
      spdlog::info("{}: is {} already, --calibration is not used", options.bundle, bundle.precision);
    return bundle.directory;
  }
  if (options.precision != "int8")
    invalid_input("{}: holds an {} model; use --precision {}, or the fp32 bundle that it was made from",
                  options.bundle, bundle.precision, bundle.precision);
  if (options.calibration.empty())
    invalid_input(
        "{}: holds an fp32 model; for --precision int8 give --calibration DATASET, or a bundle made by "
        "quantize",
        options.bundle);
  fs::create_directory(work);
  write_quantized_models(bundle, calibration_from(bundle, options.calibration, options.image_root), work);
  return work;
}

struct TowerModel {
  const char* name;
  fs::path onnx;
  const char* input;
  Shape shape;  ///< of its input, for a batch of 1
};

/// "NAME (OP)" of the layers that only the readable single-threaded kernels take.
std::vector<std::string> reference_layers(Context& context, const Shape& input) {
  std::vector<std::string> slow;
  for (const Context::Layer& layer : context.layers({input}))
    if (layer.kernel == "reference") slow.push_back(fmt::format("{} ({})", layer.name, layer.op));
  return slow;
}

/// Imports, optimizes, checks the profiles and writes one tower; returns its part of the report.
Json build_tower(const TowerModel& tower, const BuildOptions& options, const std::vector<int>& batches,
                 const fs::path& out) {
  throw_if_interrupted();
  Graph graph = import_onnx(tower.onnx);
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1 ||
      graph.value(graph.inputs[0]).name != tower.input)
    invalid_input("{}: a {} tower has one input, {}, and one output; export the bundle again",
                  tower.onnx.string(), tower.name, tower.input);
  const std::size_t imported = graph.nodes().size();
  Json passes = Json::object();
  for (const PassReport& pass : optimize(graph)) passes[pass.name] = pass.rewrites;
  apply_precision(graph, options.precision, passes);
  SessionOptions session_options;
  session_options.memory_pool_mb = options.memory_pool_mb;
  const Session session(std::move(graph), session_options);
  Context context(session);
  Json arena = Json::object();
  for (const int batch : batches) {
    throw_if_interrupted();
    Shape shape = tower.shape;
    shape[0] = batch;
    arena[std::to_string(batch)] = context.arena_bytes({shape}).activations;
  }
  const std::vector<std::string> slow = reference_layers(context, tower.shape);
  if (options.strict && !slow.empty())
    throw CheckNotMet(fmt::format("{} tower: {} layers have no kernel but the reference: {}", tower.name,
                                  slow.size(), fmt::join(slow, ", ")));
  write_plan_graph(out, session.graph());
  spdlog::info("{} tower: {} operators became {}, {:.1f} MiB, at batch {} {:.1f} MiB of activations",
               tower.name, imported, session.graph().nodes().size(),
               static_cast<double>(fs::file_size(out)) / (1 << 20), batches.back(),
               arena.back().get<double>() / (1 << 20));
  return {{"nodes_imported", imported}, {"nodes", session.graph().nodes().size()},
          {"passes", passes},           {"arena_bytes", arena},
          {"reference_layers", slow},   {"bytes", fs::file_size(out)}};
}

}  // namespace

Json build_plan(const BuildOptions& options) {
  check_precision(options.precision);
  const std::vector<int> batches = batch_profiles(options.batches, "--batches");
  check_memory_pool_mb(options.memory_pool_mb, "--memory-pool-mb");
  AtomicDirectory output(options.out, "plan.json",
                         {options.overwrite, {options.bundle, options.calibration}});
  const fs::path calibrated = output.work() / "calibrated";
  const Bundle bundle = open_bundle(options.bundle);
  const fs::path models = models_of_precision(options, bundle, calibrated);
  const ModelCard& card = bundle.card;

  const TowerModel towers[] = {
      {"image",
       models / bundle.image_onnx().filename(),
       kPixelValues,
       {1, 3, card.image.height, card.image.width}},
      {"text", models / bundle.text_onnx().filename(), kInputIds, {1, card.context_length}},
  };
  Json report = {{"plan", options.out},
                 {"precision", options.precision},
                 {"batches", batches},
                 {"memory_pool_mb", options.memory_pool_mb}};
  PlanInfo plan;
  plan.directory = output.work();
  plan.card = options_to_json(card);
  plan.precision = options.precision;
  plan.batches = batches;
  plan.memory_pool_mb = options.memory_pool_mb;
  for (const TowerModel& tower : towers) {
    report[tower.name] =
        build_tower(tower, options, batches, output.work() / (std::string(tower.name) + ".plan"));
    plan.graphs.push_back(tower.name);
  }
  fs::copy(bundle.tokenizer(), output.work() / "tokenizer", fs::copy_options::recursive);
  fs::remove_all(calibrated);

  write_plan_info(plan, bundle.provenance);
  output.commit();

  std::uint64_t bytes = 0;
  for (const auto& [name, entry] : plan.json["files"].items()) bytes += entry["bytes"].get<std::uint64_t>();
  report["model_hash"] = plan.model_hash;
  report["bytes"] = bytes;
  return report;
}

}  // namespace edgeclip::builder
