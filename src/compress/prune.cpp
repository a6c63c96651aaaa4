#include "compress/prune.h"

#include <cstdlib>

#include "base/build_info.h"
#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/signals.h"
#include "compress/importance.h"
#include "compress/recovery.h"
#include "compress/selection.h"
#include "compress/surgery.h"
#include "model/parameter_count.h"
#include "train/asked_options.h"
#include "train/device.h"
#include "train/losses/registry.h"
#include "train/rank_place.h"
#include "train/start.h"
#include "train/torch_runtime.h"
#include "train/validation.h"

namespace edgeclip {

namespace {

NeuronImportance calibrated(const PruneOptions& options, const Checkpoint& checkpoint, Objective& objective,
                            const Dataset& dataset) {
  LoaderOptions loader_options;
  loader_options.batch = options.recovery.batch;
  loader_options.seed = options.recovery.seed;
  loader_options.loading = options.recovery.loading;
  Loader loader(dataset, checkpoint.card.image, loader_options);
  NeuronImportance importance(checkpoint.model, options.importance);
  Progress progress("calibrate", options.calibration_batches, "batches");
  std::int64_t epoch = 0;
  loader.start_epoch(epoch);
  for (int i = 0; i < options.calibration_batches; ++i) {
    throw_if_interrupted();
    std::optional<Batch> batch = loader.next();
    if (!batch) {
      loader.start_epoch(++epoch);
      batch = loader.next();
    }
    EDGECLIP_CHECK(batch.has_value());
    importance.add(*batch, objective);
    progress.advance();
  }
  return importance;
}

Ranking ranking_of(const PruneOptions& options) {
  if (options.ranking == "score_per_mac") return Ranking::score_per_mac;
  if (options.ranking == "layer_mean" || (options.ranking == "auto" && options.importance == "magnitude"))
    return Ranking::layer_mean;
  return Ranking::score;
}

std::vector<std::vector<float>> as_vectors(const std::vector<torch::Tensor>& tensors) {
  std::vector<std::vector<float>> out;
  for (const torch::Tensor& t : tensors) {
    const torch::Tensor dense = t.to(torch::kCPU).contiguous();
    out.emplace_back(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  }
  return out;
}

/// Neurons before and after, per layer and together.
Json neurons_report(const std::vector<MlpLayer>& layers, const std::vector<std::vector<float>>& scores,
                    const std::vector<std::vector<std::int64_t>>& kept) {
  Json list = Json::array();
  std::size_t before = 0, after = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    list.push_back({{"name", layers[i].name}, {"before", scores[i].size()}, {"after", kept[i].size()}});
    before += scores[i].size();
    after += kept[i].size();
  }
  return {{"before", before}, {"after", after}, {"layers", list}};
}

bool recovers(const PruneOptions& options) { return options.recovery.steps > 0 || options.recovery.epochs > 0; }

void require_one_process() {
  const RankPlace place = rank_place([](const char* name) { return std::getenv(name); });
  if (place.world > 1)
    invalid_input("prune works in one process, and {} started {}; start it alone", place.launcher, place.world);
}

/// What is read while `out` is made.
std::vector<std::filesystem::path> inputs_of(const PruneOptions& options, const PrunePaths& paths) {
  std::vector<std::filesystem::path> inputs = {paths.data};
  const auto add = [&](const std::string& checkpoint) {
    for (const auto& source : checkpoint_sources(checkpoint)) inputs.push_back(source);
  };
  if (!paths.resume) add(paths.checkpoint);
  if (const auto& distillation = options.recovery.losses.distillation; distillation.in_use()) add(distillation.teacher);
  return inputs;
}

struct Pruned {
  Checkpoint checkpoint;
  Json dataset = Json::object();  ///< "name", "hash"
  Json report = Json::object();   ///< "parameters", "neurons", "val"
};

Pruned cut(const PruneOptions& options, const PrunePaths& paths, const torch::Device& device) {
  prepare_torch();
  torch::manual_seed(options.recovery.seed);
  Pruned pruned{load_checkpoint(paths.checkpoint)};
  Checkpoint& checkpoint = pruned.checkpoint;
  merge_adapter(checkpoint);
  checkpoint.base.reset();  // what is pruned lies nowhere else
  Dataset dataset = open_dataset_with_images(paths.data, paths.image_root);
  if (options.importance == "taylor" || recovers(options))
    require_identities(dataset, options.recovery.losses, "recovery.");
  adopt_tokenizer(dataset, checkpoint);
  pruned.dataset = {{"name", dataset.name}, {"hash", dataset_hash(dataset)}};

  checkpoint.model->to(device);
  Objective objective(options.recovery.losses, LossContext{checkpoint, dataset, "train", "recovery."});
  objective->to(device);
  Ranks alone;
  std::optional<Validator> validator;
  if (has_split(dataset, "val"))
    validator.emplace(dataset, "val", checkpoint.card.image, options.recovery.batch, options.recovery.loading, alone);
  Json& report = pruned.report;
  const auto measure = [&](const char* stage) {
    report["val"][stage] = validator ? to_json(validator->run(checkpoint, objective)) : Json(nullptr);
  };

  spdlog::info("{}", describe_device(paths.device, device));
  report["parameters"]["before"] = parameter_count(*checkpoint.model);
  measure("before");
  const NeuronImportance importance = calibrated(options, checkpoint, objective, dataset);
  const std::vector<std::vector<float>> scores = as_vectors(importance.scores());
  const auto kept = select_neurons(
      scores, {options.mlp_ratio, options.global, ranking_of(options), options.multiple, options.min_keep},
      importance.macs_per_neuron());
  report["neurons"] = neurons_report(mlp_layers(checkpoint.model), scores, kept);
  keep_neurons(checkpoint, kept);
  report["parameters"]["after"] = parameter_count(*checkpoint.model);
  measure("pruned");
  spdlog::info("pruned: {} of {} MLP neurons stay", report["neurons"]["after"].get<std::int64_t>(),
               report["neurons"]["before"].get<std::int64_t>());

  checkpoint.provenance.push_back({{"command", "prune"},
                                   {"version", version()},
                                   {"revision", revision()},
                                   {"data", paths.data},
                                   {"checkpoint", paths.checkpoint},
                                   {"options", options_to_json(options)}});
  checkpoint.card.provenance +=
      fmt::format("{}pruned on {} (edgeclip {})", checkpoint.card.provenance.empty() ? "" : "; ",
                  dataset.name, version());
  return pruned;
}

/// prune.json.
Json description_of(const PruneOptions& options, const PrunePaths& paths, const Pruned& pruned) {
  return {{"format", kPruneFormat},
          {"edgeclip", version()},
          {"revision", revision()},
          {"checkpoint", paths.checkpoint},
          {"data", paths.data},
          {"image_root", paths.image_root},
          {"overwrite", paths.overwrite},
          {"dataset", pruned.dataset},
          {"options", options_to_json(options)},
          {"report", pruned.report}};
}

/// An exact end needs the very dataset.
void require_same_dataset(const Json& started, const PrunePaths& paths, const std::string& where) {
  const Json& dataset = json_at(started, "dataset", where);
  const std::string in = where + ": dataset";
  if (json_get<std::string>(dataset, "hash", in) != dataset_hash(open_dataset_with_images(paths.data, paths.image_root)))
    invalid_input("{}: holds other data than {}, which the pruning was started with; name that one with --data", paths.data,
                  json_get<std::string>(dataset, "name", in));
}

/// until_cut: the report of what came before, to which the recovery's is added.
Json recovered(const PruneOptions& options, const PrunePaths& paths, const RecoveryFolder& folder, AtomicDirectory& out,
               const Json& until_cut) {
  Json report = {{"parameters", until_cut.at("parameters")}, {"neurons", until_cut.at("neurons")}};
  try {
    report["recovery"] = recover(options, paths, folder, out);
  } catch (const Interrupted&) {
    throw Interrupted("interrupted; go on with --resume");
  }
  report["val"] = until_cut.at("val");
  report["val"]["recovered"] = report["recovery"]["best"]["val"];
  report["out"] = paths.out;
  return report;
}

}  // namespace

void PruneOptions::validate(const std::string& where) const {
  recovery.validate(where + "recovery.");
  if (recovery.lora_mode == "continue")
    invalid_input(
        "{0}recovery.lora_mode: continue: an adapter is merged into the weights before they are pruned; set {0}recovery.lora_mode "
        "to adapter, or leave it out",
        where);
  const ObjectiveOptions& losses = recovery.losses;
  require_weights(losses, asked_options(options_to_json(losses), options_to_json(ObjectiveOptions()), nullptr),
                  where + "recovery.losses.");
  if (importance == "taylor" && measured_losses(losses).empty())
    invalid_input(
        "{}importance: taylor: none of recovery.losses can be measured on a model that is not training; give "
        "recovery.losses.contrastive a weight, or set importance to magnitude",
        where);
  const auto require = [&](bool ok, const char* key, double value, const char* rule) {
    if (!ok) invalid_input("{}{}: must be {}, is {}", where, key, rule, value);
  };
  require(mlp_ratio >= 0 && mlp_ratio < 1, "mlp_ratio", mlp_ratio, "at least 0 and below 1");
  require(multiple >= 1, "multiple", multiple, "at least 1");
  require(min_keep > 0 && min_keep <= 1, "min_keep", min_keep, "above 0 and at most 1");
  require(calibration_batches >= 1, "calibration_batches", calibration_batches, "at least 1");
  if (!global && ranking != "auto")
    invalid_input("{}ranking: {}: layers are not compared while global is false; leave one of the two out", where,
                  ranking);
}

Json prune(const PruneOptions& asked, const PrunePaths& asked_paths) {
  PruneOptions options = asked;
  PrunePaths paths = asked_paths;
  options.validate("");
  settle_pruning(options, paths);
  require_one_process();
  const torch::Device device = training_device(paths.device);
  const RecoveryFolder folder(paths.out);
  const std::vector<std::filesystem::path> inputs = inputs_of(options, paths);
  // Held to the end, so that no other process prunes into the same place.
  AtomicDirectory out(paths.out, kCheckpointFile, {paths.overwrite || (paths.resume && folder.is_finished()), inputs});

  if (paths.resume) {
    const Json started = folder.description();
    const std::string where = folder.prune_json().string();
    require_same_dataset(started, paths, where);
    return recovered(options, paths, folder, out, json_at(started, "report", where));
  }
  if (folder.exists() && !paths.overwrite)
    invalid_input("{}: holds a pruning into {} that was interrupted; go on with --resume, start anew with --overwrite, or choose "
                  "another --out",
                  folder.directory().string(), paths.out);
  if (folder.exists()) require_replaceable(folder.directory(), kPruneFile, {true, inputs});
  if (!recovers(options)) {
    Pruned pruned = cut(options, paths, device);
    throw_if_interrupted();
    save_checkpoint(out, pruned.checkpoint);
    folder.remove();
    Json report = std::move(pruned.report);
    report["recovery"] = nullptr;
    report["out"] = paths.out;
    return report;
  }
  Json until_cut;
  {  // the pruned model is read again, so its memory is free by then
    AtomicDirectory unrecovered(folder.directory(), kPruneFile, {paths.overwrite, inputs});
    const Pruned pruned = cut(options, paths, device);
    save_checkpoint(unrecovered.work() / folder.pruned().filename(), pruned.checkpoint);
    write_json(unrecovered.work() / kPruneFile, description_of(options, paths, pruned));
    throw_if_interrupted();
    unrecovered.commit();
    until_cut = pruned.report;
  }
  try {
    return recovered(options, paths, folder, out, until_cut);
  } catch (const InvalidInput&) {
    if (!folder.has_state()) folder.remove();  // there is nothing to go on with but what was refused
    throw;
  }
}

}  // namespace edgeclip
