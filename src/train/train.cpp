#include "train/train.h"

#include "base/build_info.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "data/dataset/dataset.h"
#include "train/arithmetic.h"
#include "train/precision.h"
#include "train/run_folder.h"
#include "train/start.h"
#include "train/torch_runtime.h"
#include "train/trainer.h"

namespace edgeclip {

namespace {

/// The options in force; with --init the architecture is the checkpoint's and not repeated.
Json options_of(const TrainOptions& options, const std::string& init) {
  Json json = options_to_json(options);
  if (!init.empty()) json.erase("model");
  return json;
}

Json description_of(const TrainOptions& options, const TrainPaths& paths, const Dataset& dataset) {
  return {{"command", "train"},
          {"version", version()},
          {"revision", revision()},
          {"data", paths.data},
          {"dataset", {{"name", dataset.name}, {"hash", dataset_hash(dataset)}}},
          {"init", paths.init.empty() ? Json(nullptr) : Json(paths.init)},
          {"adapter", paths.adapter},
          {"arithmetic", arithmetic_here()},
          {"options", options_of(options, paths.init)}};
}

/// An exact resume needs the very dataset; runs that do not say which it was are believed.
void require_same_dataset(const Json& run, const Dataset& dataset, const std::string& where) {
  if (!run.contains("dataset")) return;
  const std::string in = where + ": dataset";
  if (json_get<std::string>(run["dataset"], "hash", in) != dataset_hash(dataset))
    invalid_input(
        "{}: holds other data than {}, which the run was started with; name that one with --data, or train "
        "on "
        "this one with --init {} and another --out",
        dataset.directory.string(), json_get<std::string>(run["dataset"], "name", in),
        (std::filesystem::path(where).parent_path() / "best").string());
}

}  // namespace

Json train(const TrainOptions& asked, const TrainPaths& asked_paths) {
  TrainOptions options = asked;
  TrainPaths paths = asked_paths;
  options.validate("");
  if (options.epochs == 0 && options.steps == 0)
    throw InvalidInput("epochs and steps are both 0: nothing to train");
  if (options.lora_mode != "none" && paths.init.empty() && !paths.resume)
    invalid_input("lora_mode \"{}\" trains an adapter on a checkpoint; name it with --init", options.lora_mode);
  settle_training(options, paths);
  // As it is here: a run that goes on elsewhere must not change its arithmetic.
  if (options.precision == "auto") options.precision = use_bf16(options.precision) ? "bf16" : "fp32";
  RunFolder run(paths.out, paths.resume      ? RunFolder::Use::kResume
                           : paths.overwrite ? RunFolder::Use::kOverwrite
                                             : RunFolder::Use::kNew);
  const std::string& init = paths.init;
  const auto& distillation = options.losses.distillation;
  const std::string teacher = distillation.weight > 0 ? distillation.teacher : "";
  for (const std::string& read : {init, teacher})
    for (const auto& source : paths.overwrite && !read.empty() ? checkpoint_sources(read)
                                                               : std::vector<std::filesystem::path>())
      if (lies_within(source, paths.out))
        invalid_input("--out {}: holds {}, which would go with it; choose another --out", paths.out, source.string());
  prepare_torch();
  torch::manual_seed(options.seed);
  Dataset dataset = open_dataset_with_images(paths.data, paths.image_root);
  require_identities(dataset, options.losses);
  if (paths.resume) require_same_dataset(run.description(), dataset, run.run_json().string());
  Checkpoint checkpoint =
      init.empty() ? new_checkpoint(options, dataset) : checkpoint_to_train(options, init, paths.adapter);
  adopt_tokenizer(dataset, checkpoint);
  options.model = checkpoint.config;  // a new one's vocabulary is the dataset's
  const Json description = description_of(options, paths, dataset);
  checkpoint.provenance.push_back(description);
  checkpoint.card.provenance +=
      fmt::format("{}trained on {} (seed {}, edgeclip {})", checkpoint.card.provenance.empty() ? "" : "; ",
                  dataset.name, options.seed, version());

  Objective objective(options.losses, LossContext{checkpoint, dataset, "train"});
  Trainer trainer(checkpoint, objective, dataset, options, &run);
  if (dataset.captions_cut > 0)
    spdlog::warn("{} of {} captions are longer than {} tokens and are cut", dataset.captions_cut,
                 dataset.pairs.size(), dataset.context_length);
  if (paths.resume) {
    const Json before = run.description();
    const std::string other =
        before.contains("arithmetic") ? arithmetic_differences(before["arithmetic"], description["arithmetic"]) : "";
    if (!other.empty())
      spdlog::warn("{}: goes on with {}; its last bits will not be those of a run that was never interrupted", paths.out,
                   other);
    trainer.resume();
  } else {
    run.start(description);
  }
  Json report = trainer.fit();
  report["out"] = run.directory().string();
  return report;
}

}  // namespace edgeclip
