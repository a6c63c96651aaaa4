#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/log.h"
#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"
#include "model/checkpoint.h"

namespace edgeclip {

namespace {

struct Options {
  std::string checkpoint, adapter, out;
  bool overwrite = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("checkpoint", checkpoint, "checkpoint with an adapter");
    v("adapter", adapter,
      "the name of one of its adapters (default: the one in use), none, or the folder of a PEFT adapter instead");
    v("out", out, "checkpoint to write, without one");
    v("overwrite", overwrite, "replaces a checkpoint in --out");
  }
};

class MergeCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "merge"; }
  const char* summary() const override { return "Folds a checkpoint's adapter into its weights"; }
  const char* example() const override { return "merge --checkpoint adapted/best --out merged/"; }

 protected:
  Json execute(const Options& options) override {
    require(options.checkpoint, "--checkpoint");
    require(options.out, "--out");
    AtomicDirectory out(options.out, kCheckpointFile,
                        {options.overwrite, checkpoint_sources(options.checkpoint, options.adapter)});
    Checkpoint checkpoint = load_checkpoint(options.checkpoint, options.adapter);
    const bool had_adapter = checkpoint.model->has_lora();
    if (!had_adapter)
      spdlog::warn("{}: has no adapter in use; its weights are copied as they are", options.checkpoint);
    const bool learned = has_own_ranges(checkpoint);
    checkpoint.model->merge_lora();
    if (learned) checkpoint.ranges->weights = float_weights_hash(checkpoint.model);  // it was the merged weight that was rounded
    checkpoint.provenance.push_back(
        {{"command", "merge"},
         {"version", version()},
         {"options", {{"checkpoint", options.checkpoint}, {"adapter", options.adapter}}}});
    save_checkpoint(out, checkpoint);
    print(fmt::format("{}: checkpoint written\n", options.out));
    return {{"checkpoint", options.checkpoint}, {"out", options.out}, {"merged", had_adapter}};
  }
};

}  // namespace

std::unique_ptr<Command> merge_command() { return std::make_unique<MergeCommand>(); }

}  // namespace edgeclip
