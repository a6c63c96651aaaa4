#include "compress/prune.h"

#include "base/build_info.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signals.h"
#include "compress/importance.h"
#include "compress/selection.h"
#include "compress/surgery.h"
#include "model/parameter_count.h"
#include "train/asked_options.h"
#include "train/device.h"
#include "train/losses/registry.h"
#include "train/start.h"
#include "train/torch_runtime.h"
#include "train/trainer.h"

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

}  // namespace

void PruneOptions::validate(const std::string& where) const {
  recovery.validate(where + "recovery.");
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

Json prune(const PruneOptions& options, const std::string& checkpoint_path, const std::string& data,
           const std::string& out, const std::string& image_root, bool overwrite, const std::string& device) {
  options.validate("");
  const torch::Device where = training_device(device);
  const bool replaces = std::filesystem::exists(std::filesystem::path(out) / kCheckpointFile);
  std::vector<std::filesystem::path> inputs = checkpoint_sources(checkpoint_path);
  inputs.push_back(data);
  const auto& distillation = options.recovery.losses.distillation;
  if (distillation.in_use())
    for (const auto& source : checkpoint_sources(distillation.teacher)) inputs.push_back(source);
  AtomicDirectory folder(out, kCheckpointFile, {overwrite, inputs});
  prepare_torch();
  torch::manual_seed(options.recovery.seed);
  Checkpoint checkpoint = load_checkpoint(checkpoint_path);
  merge_adapter(checkpoint);
  checkpoint.base.reset();  // what is pruned lies nowhere else
  Dataset dataset = open_dataset_with_images(data, image_root);
  const bool recovers = options.recovery.steps > 0 || options.recovery.epochs > 0;
  if (options.importance == "taylor" || recovers)
    require_identities(dataset, options.recovery.losses, "recovery.");
  adopt_tokenizer(dataset, checkpoint);

  checkpoint.model->to(where);
  Objective objective(options.recovery.losses, LossContext{checkpoint, dataset, "train", "recovery."});
  objective->to(where);
  Ranks alone;
  std::optional<Validator> validator;
  if (has_split(dataset, "val"))
    validator.emplace(dataset, "val", checkpoint.card.image, options.recovery.batch,
                      options.recovery.loading, alone);
  Json report = Json::object();
  Json validation = Json::object();
  const auto measure = [&](const char* stage) {
    validation[stage] = validator ? to_json(validator->run(checkpoint, objective)) : Json(nullptr);
  };

  spdlog::info("{}", describe_device(device, where));
  measure("before");
  report["parameters"]["before"] = parameter_count(*checkpoint.model);
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

  if (recovers) {
    choose_what_trains(checkpoint, options.recovery, "recovery.");
    try {
      report["recovery"] = Trainer(checkpoint, objective, dataset, options.recovery, /*run=*/nullptr, alone).fit();
      measure("recovered");
    } catch (const Interrupted&) {
      if (replaces) throw Interrupted("interrupted; the older checkpoint stays");
      // What was recovered so far is kept.
      spdlog::warn("interrupted: {} holds the pruned model, not fully recovered", out);
    } catch (const InvalidInput& error) {  // it names its options as `train` does
      throw InvalidInput(std::string("recovery: ") + error.what());
    }
  } else {
    report["recovery"] = nullptr;
  }
  report["val"] = validation;

  checkpoint.provenance.push_back({{"command", "prune"},
                                   {"version", version()},
                                   {"revision", revision()},
                                   {"data", data},
                                   {"checkpoint", checkpoint_path},
                                   {"options", options_to_json(options)}});
  checkpoint.card.provenance +=
      fmt::format("{}pruned on {} (edgeclip {})", checkpoint.card.provenance.empty() ? "" : "; ",
                  dataset.name, version());
  save_checkpoint(folder, checkpoint);
  throw_if_interrupted();
  report["out"] = out;
  return report;
}

}  // namespace edgeclip
