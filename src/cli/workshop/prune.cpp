#include "compress/prune.h"

#include "cli/runtime/named_options.h"
#include "cli/runtime/options_command.h"
#include "cli/workshop/deployed_latency.h"
#include "cli/workshop/unreadable.h"
#include "cli/workshop/workshop_commands.h"

namespace edgeclip {

namespace {

struct Options : PruneOptions, PrunePaths {
  template <class Visitor>
  void fields(Visitor& v) {
    v("checkpoint", checkpoint, "checkpoint to prune");
    v("data", data, "prepared dataset for calibration and recovery");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("out", out, "checkpoint to write");
    v("resume", resume,
      "goes on where a pruning into --out was interrupted in its recovery, with its options and data: none need be repeated");
    v("overwrite", overwrite, "replaces a checkpoint in --out, and a pruning into it that was interrupted");
    v("device", device, "where it computes; auto: on a GPU where LibTorch has one", {"auto", "cpu", "cuda"});
    PruneOptions::fields(v);
  }
};

class PruneCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "prune"; }
  const char* summary() const override {
    return "Removes the least important neurons, heads, channels, blocks or weights and trains the rest a little";
  }
  const char* example() const override {
    return "prune --checkpoint run/best --data dataset/ --out pruned/ --mlp-ratio 0.3 --set "
           "recovery.epochs=1";
  }

 protected:
  bool keys_are_options() const override { return false; }
  void settle(Options& options, const CommonOptions& common) const override {
    options.named = named_options(common, given_);
    if (options.resume) require(options.out, "--out");
    settle_pruning(options, options);
  }
  Json execute(const Options& options) override {
    require(options.checkpoint, "--checkpoint");
    require(options.data, "--data");
    require(options.out, "--out");
    PruneHooks hooks;
    hooks.latency_ms = deployed_latency_ms;
    const Json report = prune(options, options, hooks);
    print(fmt::format("{}: pruned checkpoint written\n", options.out));
    if (!report.at("recovery").is_null())
      require_readable(report.at("recovery"), options.recovery.loading, "recovery.", options.data, options.out, report);
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> prune_command() { return std::make_unique<PruneCommand>(); }

}  // namespace edgeclip
