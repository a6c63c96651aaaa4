#include "train/train.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/build_info.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process_metrics.h"
#include "base/threads.h"
#include "data/dataset/dataset.h"
#include "train/arithmetic.h"
#include "train/cpu_allocator.h"
#include "train/device.h"
#include "train/memory_inputs.h"
#include "train/precision.h"
#include "train/rank_place.h"
#include "train/ranks.h"
#include "train/run_folder.h"
#include "train/start.h"
#include "train/torch_runtime.h"
#include "train/trainer.h"

namespace edgeclip {

namespace {

/// The options in force; with --init the architecture is the checkpoint's and not repeated, but for what its weights do
/// not say.
Json options_of(const TrainOptions& options, const std::string& init) {
  Json json = options_to_json(options);
  if (init.empty()) return json;
  const Json vision = json["model"]["vision"];
  json.erase("model");
  for (const char* key : kOfNoWeight)
    if (vision.contains(key)) json["model"]["vision"][key] = vision[key];
  return json;
}

Json description_of(const TrainOptions& options, const TrainPaths& paths, const Dataset& dataset,
                    const std::string& teacher, const torch::Device& device, const Ranks& ranks) {
  Json arithmetic = arithmetic_here();
  arithmetic["device"] = device.is_cpu() ? "cpu" : "cuda";
  arithmetic["processes"] = ranks.world();
  return {{"command", "train"},
          {"version", version()},
          {"revision", revision()},
          {"data", paths.data},
          {"dataset", {{"name", dataset.name}, {"hash", dataset_hash(dataset)}}},
          {"init", paths.init.empty() ? Json(nullptr) : Json(paths.init)},
          {"adapter", paths.adapter},
          {"teacher", teacher.empty() ? Json(nullptr) : Json({{"hash", teacher}})},
          {"arithmetic", arithmetic},
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

/// The same of the teacher, whose folder may hold another one by now.
void require_same_teacher(const Json& run, const std::string& hash, const std::string& teacher) {
  if (hash.empty() || !run.contains("teacher") || !run["teacher"].is_object()) return;
  if (json_get<std::string>(run["teacher"], "hash", "run.json: teacher") != hash)
    invalid_input(
        "losses.distillation.teacher: {}: holds other weights than when the run was started; put those back, or start "
        "another run",
        teacher);
}

Json train_as(Ranks& ranks, TrainOptions options, const TrainPaths& paths, const torch::Device& device,
              const std::string& auto_precision) {
  std::optional<RunFolder> run;
  if (ranks.first())
    run.emplace(paths.out, paths.resume      ? RunFolder::Use::kResume
                           : paths.overwrite ? RunFolder::Use::kOverwrite
                                             : RunFolder::Use::kNew);
  ranks.any(false);  // what an interrupted replacement left is in order now
  const std::string& init = paths.init;
  const auto& distillation = options.losses.distillation;
  const std::string teacher = distillation.in_use() ? distillation.teacher : "";
  if (paths.overwrite && std::filesystem::is_directory(paths.adapter) && lies_within(paths.adapter, paths.out))
    invalid_input("--out {}: holds {}, which would go with it; choose another --out", paths.out, paths.adapter);
  for (const std::string& read : {init, teacher})
    for (const auto& source : paths.overwrite && !read.empty() ? checkpoint_sources(read)
                                                               : std::vector<std::filesystem::path>())
      if (lies_within(source, paths.out))
        invalid_input("--out {}: holds {}, which would go with it; choose another --out", paths.out, source.string());
  prepare_torch();
  torch::manual_seed(options.seed);
  Dataset dataset = open_dataset_with_images(paths.data, paths.image_root);
  require_identities(dataset, options.losses);
  const std::filesystem::path run_json = std::filesystem::path(paths.out) / "run.json";
  const Json before = paths.resume ? read_run_description(paths.out) : Json();
  if (paths.resume) require_same_dataset(before, dataset, run_json.string());
  Checkpoint checkpoint =
      init.empty() ? new_checkpoint(options, dataset) : checkpoint_to_train(options, init, paths.adapter);
  adopt_tokenizer(dataset, checkpoint);
  options.model = checkpoint.config;  // a new one's vocabulary is the dataset's
  checkpoint.model->to(device);
  Objective objective(options.losses, LossContext{checkpoint, dataset, "train"});
  objective->to(device);
  if (paths.resume) require_same_teacher(before, objective->teacher_hash(), teacher);
  const Json description = description_of(options, paths, dataset, objective->teacher_hash(), device, ranks);
  ranks.require_same(dataset_hash(dataset), "another dataset");
  ranks.require_same(json_text({version(), revision(), description["options"]}), "other options or another version");
  if (!ranks.alone()) ranks.require_same(weights_hash(checkpoint.model), "other weights to start from");
  checkpoint.provenance.push_back(description);
  checkpoint.card.provenance +=
      fmt::format("{}trained on {} (seed {}, edgeclip {})", checkpoint.card.provenance.empty() ? "" : "; ",
                  dataset.name, options.seed, version());

  // Of the process as it is before moments are made, without what loading has left.
  release_tensor_memory();
  MemoryInputs memory_of = memory_inputs(options, checkpoint, *objective, dataset);
  memory_of.world = ranks.world();
  Trainer trainer(checkpoint, objective, dataset, options, run ? &*run : nullptr, ranks);
  memory_of.teacher_bytes = trainer.teacher_bytes();
  const MemoryEstimate memory = estimate_memory(options, memory_of);
  allow_idle_tensor_memory(memory.idle);
  if (ranks.first()) {
    spdlog::info("{}", describe_device(paths.device, device));
    if (!auto_precision.empty()) spdlog::info("{}", auto_precision);
    spdlog::info("{}", describe(memory, options.micro_batch > 0 ? options.micro_batch : options.batch / ranks.world()));
    // A GPU's memory is another one, and several processes may share the machine's.
    if (const std::string warning = memory_warning(memory, options, usable_memory_bytes());
        device.is_cpu() && ranks.alone() && !warning.empty())
      spdlog::warn("{}", warning);
  }
  if (dataset.captions_cut > 0)
    spdlog::warn("{} of {} captions are longer than {} tokens and are cut", dataset.captions_cut,
                 dataset.pairs.size(), dataset.context_length);
  if (paths.resume) {
    const std::string other =
        before.contains("arithmetic") ? arithmetic_differences(before["arithmetic"], description["arithmetic"]) : "";
    if (!other.empty())
      spdlog::warn("{}: goes on with {}; its last bits will not be those of a run that was never interrupted", paths.out,
                   other);
    trainer.resume(std::filesystem::path(paths.out) / "state.safetensors");
  } else if (run) {
    run->start(description);
  }
  Json report = trainer.fit();
  ranks.leave();
  if (!run) return nullptr;
  report["processes"] = ranks.world();
  report["memory"] = to_json(memory);
  report["memory"]["peak_rss_mb"] = static_cast<double>(peak_rss_bytes()) / (1024.0 * 1024.0);
  report["out"] = run->directory().string();
  return report;
}

/// Processes of one machine share its CPUs, unless somebody has divided them: who asked for threads, or a launcher that binds.
void share_cpus(const RankPlace& place) {
  const int here = available_cpus();
  if (place.local > 1 && thread_count() == here && here == ::sysconf(_SC_NPROCESSORS_ONLN))
    set_thread_count(std::max(1, here / place.local));
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
  const torch::Device device = training_device(paths.device);
  // As it is here: a run that goes on elsewhere must not change its arithmetic.
  const std::string auto_precision = options.precision == "auto" ? describe_auto_precision(device.is_cpu()) : "";
  if (options.precision == "auto") options.precision = use_bf16(options.precision, device.is_cpu()) ? "bf16" : "fp32";
  const RankPlace place = rank_place([](const char* name) { return std::getenv(name); });
  if (place.rank > 0) leave_logging_to_others();
  share_cpus(place);
  Ranks ranks(place);
  if (!ranks.alone()) spdlog::info("one of {} processes ({})", ranks.world(), place.launcher);
  try {
    return train_as(ranks, std::move(options), paths, device, auto_precision);
  } catch (const std::exception& error) {
    ranks.abandon(error.what());  // where all have left, nobody hears it
    throw;
  }
}

}  // namespace edgeclip
