#include "builder/build_plan.h"

#include "base/atomic_output.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signals.h"
#include "builder/build_graph.h"
#include "builder/build_model.h"
#include "builder/import/onnx_import.h"
#include "builder/precision/apply_precision.h"
#include "builder/quantize/static_quantize.h"
#include "bundle/bundle.h"
#include "engine/plan/plan.h"

namespace edgeclip::builder {

using namespace engine;

namespace fs = std::filesystem;

namespace {

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

/// Imports, checks and builds one tower; returns its part of the report.
Json build_tower(const TowerModel& tower, const BuildOptions& options, const std::vector<int>& batches,
                 const fs::path& plan, GraphDump& dump) {
  throw_if_interrupted();
  Graph graph = import_onnx(tower.onnx);
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1 ||
      graph.value(graph.inputs[0]).name != tower.input)
    invalid_input("{}: a {} tower has one input, {}, and one output; export the bundle again",
                  tower.onnx.string(), tower.name, tower.input);
  std::vector<GraphProfile> profiles;
  for (const int batch : batches) {
    Shape shape = tower.shape;
    shape[0] = batch;
    profiles.push_back({std::to_string(batch), {shape}});
  }
  const std::string label = std::string(tower.name) + " tower";
  return build_graph(
      {tower.name, label, options.bundle, tower.name, std::move(graph), profiles, {tower.shape}}, options,
      plan, dump);
}

void refuse_model_options(const BuildOptions& options) {
  if (!options.shape.empty())
    invalid_input("--shape {}: is of ONNX files; {} is a bundle, whose shapes are known: use --batches",
                  options.shape[0], options.bundle);
  if (!options.card.empty())
    invalid_input("--card {}: is of ONNX files; {} is a bundle, which has its own", options.card,
                  options.bundle);
}

}  // namespace

Json build_plan(const BuildOptions& options) {
  check_precision(options.precision);
  check_memory_pool_mb(options.memory_pool_mb, "--memory-pool-mb");
  if (!options.dump_dir.empty() && !options.out.empty() && lies_within(options.dump_dir, options.out))
    invalid_input("--dump-dir {}: lies in the plan, which holds nothing else; name a folder beside it",
                  options.dump_dir);
  if (!options.model.empty()) return build_model(options);
  refuse_model_options(options);
  const std::vector<int> batches = batch_profiles(options.batches, "--batches");
  GraphDump dump(options.dump_graph, options.dump_dir, {"image", "text"},
                 {options.bundle, options.calibration});
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
    report[tower.name] = build_tower(tower, options, batches, output.work(), dump);
    plan.graphs.push_back(tower.name);
  }
  fs::copy(bundle.tokenizer(), output.work() / "tokenizer", fs::copy_options::recursive);
  fs::remove_all(calibrated);

  write_plan_info(plan, bundle.provenance);
  dump.write();
  output.commit();

  std::uint64_t bytes = 0;
  for (const auto& [name, entry] : plan.json["files"].items()) bytes += entry["bytes"].get<std::uint64_t>();
  report["model_hash"] = plan.model_hash;
  report["bytes"] = bytes;
  return report;
}

}  // namespace edgeclip::builder
