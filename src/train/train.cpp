#include "train/train.h"

#include <algorithm>

#include "base/build_info.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process_metrics.h"
#include "data/dataset/dataset.h"
#include "train/arithmetic.h"
#include "train/memory_estimate.h"
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

/// Tokens of the longest caption, without padding.
int longest_caption(const Dataset& dataset) {
  std::int64_t longest = 1;
  const std::int64_t rows = dataset.tokens.dim(0), width = dataset.tokens.dim(1);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int32_t* const tokens = dataset.tokens.data<std::int32_t>() + row * width;
    const std::int32_t* const end = std::find(tokens, tokens + width, dataset.tokenizer->end_id());
    longest = std::max<std::int64_t>(longest, std::min<std::int64_t>(end - tokens + 1, width));
  }
  return static_cast<int>(longest);
}

MemoryEstimate memory_of(const TrainOptions& options, const Checkpoint& checkpoint, const torch::nn::Module& objective,
                         const Dataset& dataset) {
  MemoryInputs inputs;
  const auto count = [&](const torch::Tensor& tensor) {
    inputs.weight_bytes += tensor.numel() * static_cast<std::int64_t>(tensor.element_size());
    if (tensor.requires_grad()) inputs.trained_values += tensor.numel();
  };
  for (const torch::nn::Module* module : {static_cast<const torch::nn::Module*>(checkpoint.model.get()), &objective}) {
    for (const torch::Tensor& parameter : module->parameters()) count(parameter);
    for (const torch::Tensor& buffer : module->buffers()) count(buffer);
  }
  inputs.tokens = longest_caption(dataset);
  inputs.bf16 = options.precision == "bf16";
  inputs.resident_bytes = std::max<std::int64_t>(0, resident_memory().total() - inputs.weight_bytes);
  return estimate_memory(options, inputs);
}

}  // namespace

Json train(const TrainOptions& asked, const TrainPaths& asked_paths) {
  TrainOptions options = asked;
  TrainPaths paths = asked_paths;
  options.validate("");
  if (options.epochs == 0 && options.steps == 0)
    throw InvalidInput("epochs and steps are both 0: nothing to train");
  if (options.lora_mode == "adapter" && paths.init.empty() && !paths.resume)
    throw InvalidInput("lora_mode \"adapter\" trains an adapter on a checkpoint; name it with --init");
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
    if (paths.overwrite && !read.empty() && lies_within(read, paths.out))
      invalid_input("--out {}: holds {}, which would go with it; choose another --out", paths.out, read);
  prepare_torch();
  torch::manual_seed(options.seed);
  Dataset dataset = open_dataset_with_images(paths.data, paths.image_root);
  require_identities(dataset, options.losses);
  if (paths.resume) require_same_dataset(run.description(), dataset, run.run_json().string());
  Checkpoint checkpoint =
      init.empty() ? new_checkpoint(options, dataset) : checkpoint_to_train(options, init);
  adopt_tokenizer(dataset, checkpoint);
  options.model = checkpoint.config;  // a new one's vocabulary is the dataset's
  const Json description = description_of(options, paths, dataset);
  checkpoint.provenance.push_back(description);
  checkpoint.card.provenance +=
      fmt::format("{}trained on {} (seed {}, edgeclip {})", checkpoint.card.provenance.empty() ? "" : "; ",
                  dataset.name, options.seed, version());

  Objective objective(options.losses, LossContext{checkpoint, dataset, "train"});
  const MemoryEstimate memory = memory_of(options, checkpoint, *objective, dataset);
  spdlog::info("{}", describe(memory, options.micro_batch > 0 ? options.micro_batch : options.batch));
  if (const std::string warning = memory_warning(memory, options, usable_memory_bytes()); !warning.empty())
    spdlog::warn("{}", warning);
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
  report["memory"] = to_json(memory);
  report["memory"]["peak_rss_mb"] = static_cast<double>(peak_rss_bytes()) / (1024.0 * 1024.0);
  report["out"] = run.directory().string();
  return report;
}

}  // namespace edgeclip
