#include "train/train.h"

#include "base/build_info.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/output_claim.h"
#include "data/dataset/dataset.h"
#include "train/run_folder.h"
#include "train/start.h"
#include "train/torch_runtime.h"
#include "train/trainer.h"

namespace edgeclip {

namespace {

/// What a run was asked for: with --init the architecture is the checkpoint's, not an option.
Json options_of(const TrainOptions& options, const std::string& init) {
  Json json = options_to_json(options);
  if (!init.empty()) json.erase("model");
  return json;
}

Json description_of(const TrainOptions& options, const std::string& data, const std::string& init) {
  return {{"command", "train"},
          {"version", version()},
          {"revision", revision()},
          {"data", data},
          {"init", init.empty() ? Json(nullptr) : Json(init)},
          {"options", options_of(options, init)}};
}

/// The init of the run to be resumed, which the user need not repeat.
std::string resumed_init(const RunFolder& run, const TrainOptions& options, const std::string& init) {
  const Json before = run.description();
  const std::string where = run.run_json().string();
  const Json& saved = json_at(before, "init", where);
  const std::string used = init.empty() && saved.is_string() ? saved.get<std::string>() : init;
  TrainOptions started;  // what an older edgeclip did not know yet has its default
  options_from_json(json_at(before, "options", where), started, where + ": options");
  // These change no result, and a run that was too large for the machine needs other ones.
  started.loading.threads = options.loading.threads;
  started.loading.queue = options.loading.queue;
  started.loading.cache_mb = options.loading.cache_mb;
  started.loading.max_unreadable = options.loading.max_unreadable;
  require_same_options(options_of(started, used), options_of(options, used), where);
  return used;
}

}  // namespace

Json train(const TrainOptions& options, const TrainPaths& paths) {
  options.validate("");
  if (options.epochs == 0 && options.steps == 0)
    throw InvalidInput("epochs and steps are both 0: nothing to train");
  const RunFolder run(paths.out, paths.resume      ? RunFolder::Use::kResume
                                 : paths.overwrite ? RunFolder::Use::kOverwrite
                                                   : RunFolder::Use::kNew);
  const OutputClaim claim(run.directory());
  const std::string init = paths.resume ? resumed_init(run, options, paths.init) : paths.init;
  if (options.lora_mode == "adapter" && init.empty())
    throw InvalidInput("lora_mode \"adapter\" trains an adapter on a checkpoint; name it with --init");

  if (!init.empty() && options_to_json(options.model) != options_to_json(ModelConfig()))
    invalid_input("model: the architecture comes with --init {}; leave model.* out", init);
  if (paths.overwrite && !init.empty() && lies_within(init, paths.out))
    invalid_input("--out {}: holds {}, which would go with it; choose another --out", paths.out, init);
  prepare_torch();
  torch::manual_seed(options.seed);
  Dataset dataset = open_dataset(paths.data);
  Checkpoint checkpoint =
      init.empty() ? new_checkpoint(options, dataset) : checkpoint_to_train(options, init);
  adopt_tokenizer(dataset, checkpoint);
  const Json description = description_of(options, paths.data, init);
  checkpoint.provenance.push_back(description);
  checkpoint.card.provenance +=
      fmt::format("{}trained on {} (seed {}, edgeclip {})", checkpoint.card.provenance.empty() ? "" : "; ",
                  dataset.name, options.seed, version());

  Trainer trainer(checkpoint, dataset, options, &run);
  if (paths.resume)
    trainer.resume();
  else
    run.start(description);
  Json report = trainer.fit();
  report["out"] = run.directory().string();
  return report;
}

}  // namespace edgeclip
