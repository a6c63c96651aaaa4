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
#include "data/dataset/captions.h"
#include "model/eval_mode.h"
#include "model/parameter_count.h"
#include "model/tensors.h"
#include "train/device.h"
#include "train/start.h"
#include "train/torch_runtime.h"
#include "train/validation.h"

namespace edgeclip {

namespace {

/// The batches that scores are computed on, as often as asked for.
class CalibrationBatches {
 public:
  CalibrationBatches(const PruneOptions& options, const ImageTransform& image, const Dataset& dataset)
      : count_(options.calibration_batches), loader_(dataset, image, loader_options(options)) {}

  template <class Use>
  void each(const Use& use) {
    std::int64_t epoch = 0;
    loader_.start_epoch(epoch);
    for (int i = 0; i < count_; ++i) {
      throw_if_interrupted();
      std::optional<Batch> batch = loader_.next();
      if (!batch) {
        loader_.start_epoch(++epoch);
        batch = loader_.next();
      }
      EDGECLIP_CHECK(batch.has_value());
      use(*batch);
    }
  }

 private:
  static LoaderOptions loader_options(const PruneOptions& options) {
    LoaderOptions of_loader;
    of_loader.batch = options.recovery.batch;
    of_loader.seed = options.recovery.seed;
    of_loader.loading = options.recovery.loading;
    return of_loader;
  }

  const int count_;
  Loader loader_;
};

/// Mean of the objective over the batches.
double mean_loss(const Checkpoint& checkpoint, Objective& objective, CalibrationBatches& batches) {
  DualEncoder model = checkpoint.model;
  const EvalMode model_evaluates(*model), objective_evaluates(*objective);
  const torch::NoGradGuard no_grad;
  double sum = 0;
  int count = 0;
  batches.each([&](const Batch& batch) {
    const Features features = objective->features(model, inputs_of(batch, model->logit_scale.device()), /*bf16=*/false);
    sum += objective->forward(features).total.item<double>();
    ++count;
  });
  return sum / count;
}

std::vector<std::vector<float>> scored(const PruneOptions& options, const Checkpoint& checkpoint, const std::vector<PruneGroup>& groups,
                                       Objective& objective, CalibrationBatches& batches) {
  UnitImportance importance(checkpoint.model, groups, options.importance);
  Progress progress("calibrate", options.calibration_batches, "batches");
  if (importance.reads_data())
    batches.each([&](const Batch& batch) {
      importance.add(batch, objective);
      progress.advance();
    });
  std::vector<std::vector<float>> scores;
  for (const torch::Tensor& of_group : importance.scores()) {
    const torch::Tensor dense = of_group.to(torch::kCPU).contiguous();
    scores.emplace_back(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  }
  return scores;
}

/// Mean length of the training captions, at least 1.
int mean_tokens(const Checkpoint& checkpoint, const Dataset& dataset) {
  const std::vector<std::int64_t> rows = captions_of(dataset, "train");
  const torch::Tensor tokens = from_tensor(dataset.tokens.view()).index_select(0, torch::tensor(rows, torch::kInt64));
  const torch::Tensor valid = checkpoint.model->text_model->valid_tokens(tokens.to(torch::kInt64));
  return std::max(1, static_cast<int>(std::lround(valid.sum().item<double>() / static_cast<double>(rows.size()))));
}

Json dropped_report(const std::vector<DroppedBlock>& dropped, double loss_before) {
  Json list = Json::array();
  for (const DroppedBlock& block : dropped) list.push_back({{"name", block.name}, {"loss", block.loss}});
  return {{"loss_before", loss_before}, {"removed", list}};
}

}  // namespace

Cut cut(const PruneOptions& options, const PrunePaths& paths, const MeasureLatency& latency, Checkpoint from, int round,
        const Json& earlier, const torch::Device& device) {
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
  const bool first = round == 1;
  std::optional<Objective> objective;
  ObjectiveOptions losses = options.recovery.losses;
  // A teacher that does not fit is refused before the work.  Of what it says nothing is measured here.
  if (first && losses.distillation.in_use()) Objective(losses, LossContext{checkpoint, dataset, "train", "recovery."});
  losses.distillation = {};
  const auto make_objective = [&] {  // some losses know sizes of the network
    objective.emplace(losses, LossContext{checkpoint, dataset, "train", "recovery."});
    (*objective)->to(device);
  };
  make_objective();
  Ranks alone;
  std::optional<Validator> validator;
  if (has_split(dataset, "val"))
    validator.emplace(dataset, "val", checkpoint.card.image, options.recovery.batch, options.recovery.loading, alone);
  const auto validation = [&] { return validator ? to_json(validator->run(checkpoint, *objective)) : Json(nullptr); };

  spdlog::info("{}", describe_device(paths.device, device));
  report["parameters"]["before"] = first ? Json(parameter_count(*checkpoint.model)) : earlier.at("parameters").at("before");
  report["val"]["before"] = first ? validation() : earlier.at("val").at("before");
  report["blocks"] = first ? Json(nullptr) : earlier.at("blocks");

  CalibrationBatches batches(options, checkpoint.card.image, dataset);
  PruneStart start = first ? start_of(options, latency, checkpoint, mean_tokens(checkpoint, dataset)) : start_from(earlier);
  if (first && options.blocks > 0) {
    const auto loss = [&](const Checkpoint& candidate) { return mean_loss(candidate, *objective, batches); };
    const double before = loss(checkpoint);
    report["blocks"] = dropped_report(drop_blocks(checkpoint, options.blocks, loss, "blocks"), before);
    make_objective();
  }
  const std::vector<PruneGroup> groups = prune_groups(checkpoint.model, start.tokens);
  if (first)
    for (const PruneGroup& group : groups) start.units[group.name] = group.units;
  if (options.removes_units()) {
    const auto scores = scored(options, checkpoint, groups, *objective, batches);
    checkpoint = with_units(checkpoint, groups, choose_units(options, latency, round, start, checkpoint, groups, scores));
    make_objective();
  }
  report.update(units_report(latency, start, checkpoint));
  if (options.sparsifies()) {
    const double part = static_cast<double>(round) / options.rounds;
    sparsify(checkpoint.model, {options.sparsity * part, options.sparsity_threshold * part, options.sparsity_global});
    report["sparsity"] = sparsity_report(checkpoint.model);
  }
  report["parameters"]["after"] = parameter_count(*checkpoint.model);
  report["val"]["pruned"] = validation();

  checkpoint.provenance.push_back({{"command", "prune"},
                                   {"version", version()},
                                   {"revision", revision()},
                                   {"data", paths.data},
                                   {"checkpoint", paths.checkpoint},
                                   {"round", round},
                                   {"options", options_to_json(options)}});
  if (first)
    checkpoint.card.provenance += fmt::format("{}pruned on {} (edgeclip {})", checkpoint.card.provenance.empty() ? "" : "; ",
                                              dataset.name, version());
  return result;
}

}  // namespace edgeclip
