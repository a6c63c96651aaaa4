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
    v("adapter", adapter, "folder of a PEFT adapter, for a checkpoint that has none");
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
                        {options.overwrite, {checkpoint_folder(options.checkpoint), options.adapter}});
    Checkpoint checkpoint = load_checkpoint(options.checkpoint);
    if (!options.adapter.empty()) {
      if (checkpoint.model->has_lora())
        invalid_input("{}: has an adapter already; merge that one first, without --adapter",
                      options.checkpoint);
      add_adapter(checkpoint, "default", options.adapter);
    }
    const bool had_adapter = checkpoint.model->has_lora();
    if (had_adapter) {
      checkpoint.model->merge_lora();
      checkpoint.lora.reset();
    } else {
      spdlog::warn("{}: has no adapter; its weights are copied as they are", options.checkpoint);
    }
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
