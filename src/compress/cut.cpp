#include "compress/cut.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/build_info.h"
#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/signals.h"
#include "compress/choose_units.h"
#include "compress/drop_blocks.h"
#include "compress/importance.h"
#include "compress/sparsify.h"
#include "model/eval_mode.h"
#include "model/parameter_count.h"
#include "train/device.h"
#include "train/start.h"
#include "train/torch_runtime.h"
#include "train/validation.h"

namespace edgeclip {

namespace {

std::vector<Batch> calibration_batches(const PruneOptions& options, const Checkpoint& checkpoint, const Dataset& dataset) {
  LoaderOptions loader_options;
  loader_options.batch = options.recovery.batch;
  loader_options.seed = options.recovery.seed;
  loader_options.loading = options.recovery.loading;
  Loader loader(dataset, checkpoint.card.image, loader_options);
  std::vector<Batch> batches;
  std::int64_t epoch = 0;
  loader.start_epoch(epoch);
  while (static_cast<int>(batches.size()) < options.calibration_batches) {
    throw_if_interrupted();
    std::optional<Batch> batch = loader.next();
    if (!batch) {
      loader.start_epoch(++epoch);
      batch = loader.next();
    }
    EDGECLIP_CHECK(batch.has_value());
    batches.push_back(std::move(*batch));
  }
  return batches;
}

/// Mean of the objective over batches.
double mean_loss(const Checkpoint& checkpoint, Objective& objective, const std::vector<Batch>& batches) {
  DualEncoder model = checkpoint.model;
  const EvalMode model_evaluates(*model), objective_evaluates(*objective);
  const torch::NoGradGuard no_grad;
  double sum = 0;
  for (const Batch& batch : batches) {
    throw_if_interrupted();
    const Features features = objective->features(model, inputs_of(batch, model->logit_scale.device()), /*bf16=*/false);
    sum += objective->forward(features).total.item<double>();
  }
  return sum / static_cast<double>(batches.size());
}

std::vector<std::vector<float>> scored(const PruneOptions& options, const Checkpoint& checkpoint, const std::vector<PruneGroup>& groups,
                                       Objective& objective, const std::vector<Batch>& batches) {
  UnitImportance importance(checkpoint.model, groups, options.importance);
  Progress progress("calibrate", options.calibration_batches, "batches");
  for (const Batch& batch : batches) {
    throw_if_interrupted();
    importance.add(batch, objective);
    progress.advance();
  }
  std::vector<std::vector<float>> scores;
  for (const torch::Tensor& of_group : importance.scores()) {
    const torch::Tensor dense = of_group.to(torch::kCPU).contiguous();
    scores.emplace_back(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  }
  return scores;
}

/// Mean length of the captions, at least 1.
int mean_tokens(const DualEncoder& model, const std::vector<Batch>& batches) {
  double tokens = 0, captions = 0;
  for (const Batch& batch : batches) {
    const torch::Tensor valid = model->text_model->valid_tokens(inputs_of(batch, model->logit_scale.device()).tokens);
    tokens += valid.sum().item<double>();
    captions += static_cast<double>(valid.size(0));
  }
  return std::max(1, static_cast<int>(std::lround(tokens / captions)));
}

Json dropped_report(const std::vector<DroppedBlock>& dropped, double loss_before) {
  Json list = Json::array();
  for (const DroppedBlock& block : dropped) list.push_back({{"name", block.name}, {"loss", block.loss}});
  return {{"loss_before", loss_before}, {"removed", list}};
}

}  // namespace

Cut cut(const PruneOptions& options, const PrunePaths& paths, const PruneHooks& hooks, Checkpoint from, int round, const Json& earlier,
        const torch::Device& device) {
  prepare_torch();
  torch::manual_seed(options.recovery.seed);
  Cut result{std::move(from)};
  Checkpoint& checkpoint = result.checkpoint;
  Json& report = result.report;
  merge_adapter(checkpoint);
  checkpoint.base.reset();  // what is pruned lies nowhere else
  Dataset dataset = open_dataset_with_images(paths.data, paths.image_root);
  if (options.importance == "taylor" || options.blocks > 0 || options.recovers())
    require_identities(dataset, options.recovery.losses, "recovery.");
  adopt_tokenizer(dataset, checkpoint);
  result.dataset = {{"name", dataset.name}, {"hash", dataset_hash(dataset)}};

  checkpoint.model->to(device);
  std::optional<Objective> objective;
  const auto make_objective = [&] {  // some losses know sizes of the network
    objective.emplace(options.recovery.losses, LossContext{checkpoint, dataset, "train", "recovery."});
    (*objective)->to(device);
  };
  make_objective();
  Ranks alone;
  std::optional<Validator> validator;
  if (has_split(dataset, "val"))
    validator.emplace(dataset, "val", checkpoint.card.image, options.recovery.batch, options.recovery.loading, alone);
  const auto validation = [&] { return validator ? to_json(validator->run(checkpoint, *objective)) : Json(nullptr); };

  spdlog::info("{}", describe_device(paths.device, device));
  const bool first = round == 1;
  report["parameters"]["before"] = first ? Json(parameter_count(*checkpoint.model)) : earlier.at("parameters").at("before");
  report["val"]["before"] = first ? validation() : earlier.at("val").at("before");
  report["blocks"] = first ? Json(nullptr) : earlier.at("blocks");

  const std::vector<Batch> batches = calibration_batches(options, checkpoint, dataset);
  PruneStart start = first ? start_of(options, hooks, checkpoint, mean_tokens(checkpoint.model, batches)) : start_from(earlier);
  if (first && options.blocks > 0) {
    const auto loss = [&](const Checkpoint& candidate) { return mean_loss(candidate, *objective, batches); };
    const double before = loss(checkpoint);
    report["blocks"] = dropped_report(drop_blocks(checkpoint, options.blocks, loss, "blocks"), before);
    make_objective();
  }
  const std::vector<PruneGroup> groups = prune_groups(checkpoint.model, start.tokens);
  if (first)
    for (const PruneGroup& group : groups) start.units[group.name] = group.units;
  const KeptUnits kept =
      choose_units(options, hooks, round, start, checkpoint, groups, scored(options, checkpoint, groups, *objective, batches));
  checkpoint = with_units(checkpoint, groups, kept);
  report.update(units_report(hooks, start, checkpoint));
  if (options.sparsifies()) {
    const double part = static_cast<double>(round) / options.rounds;
    sparsify(checkpoint.model, {options.sparsity * part, options.sparsity_threshold * part, options.sparsity_global});
    report["sparsity"] = sparsity_report(checkpoint.model);
  }
  make_objective();
  report["parameters"]["after"] = parameter_count(*checkpoint.model);
  report["val"]["pruned"] = validation();

  checkpoint.provenance.push_back({{"command", "prune"},
                                   {"version", version()},
                                   {"revision", revision()},
                                   {"data", paths.data},
                                   {"checkpoint", paths.checkpoint},
                                   {"options", options_to_json(options)}});
  checkpoint.card.provenance += fmt::format("{}pruned on {} (edgeclip {})", checkpoint.card.provenance.empty() ? "" : "; ",
                                            dataset.name, version());
  return result;
}

}  // namespace edgeclip
