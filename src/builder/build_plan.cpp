#include "builder/build_plan.h"

#include "base/atomic_output.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signals.h"
#include "builder/build_graph.h"
#include "builder/build_model.h"
#include "builder/import/onnx_import.h"
#include "builder/precision/apply_precision.h"
#include "builder/quantize/plan_quantization.h"
#include "builder/quantize/smooth.h"
#include "bundle/bundle.h"
#include "engine/plan/plan.h"

namespace edgeclip::builder {

using namespace engine;

namespace fs = std::filesystem;

namespace {

struct TowerModel {
  const char* name;
  fs::path onnx;
  const char* input;
  Shape shape;  ///< of its input, for a batch of 1
  std::optional<GraphQuantization> quantization;
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
  if (tower.quantization && tower.quantization->ranges)
    set_constants(graph, smoothed_constants(graph, *tower.quantization->ranges, options.calibration));
  std::vector<GraphProfile> profiles;
  for (const int batch : batches) {
    Shape shape = tower.shape;
    shape[0] = batch;
    profiles.push_back({std::to_string(batch), {shape}});
  }
  const std::string label = std::string(tower.name) + " tower";
  return build_graph({tower.name,
                      label,
                      options.bundle,
                      tower.name,
                      std::move(graph),
                      profiles,
                      tower.quantization,
                      {tower.shape}},
                     options, plan, dump);
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

Json build_plan(const BuildOptions& asked) {
  BuildOptions options = asked;
  check_precision(options.precision);
  check_quantization_options(options);
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
  const Bundle bundle = open_bundle(options.bundle);
  options.calibration = calibration_for(options, bundle);
  const TowerQuantizations quantization = quantization_of(options, bundle);
  const ModelCard& card = bundle.card;

  const TowerModel towers[] = {
      {"image",
       bundle.image_onnx(),
       kPixelValues,
       {1, 3, card.image.height, card.image.width},
       quantization.image},
      {"text", bundle.text_onnx(), kInputIds, {1, card.context_length}, quantization.text},
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
