#include "compress/prune.h"

#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"

namespace edgeclip {

namespace {

class PruneCommand : public OptionsCommand<PruneOptions> {
 public:
  const char* name() const override { return "prune"; }
  const char* summary() const override {
    return "Removes the least important MLP neurons and trains the rest a little";
  }
  const char* example() const override {
    return "prune --checkpoint run/best --data dataset/ --out pruned/ --set mlp_ratio=0.3 --set "
           "recovery.epochs=1";
  }

  void declare(CLI::App& app) override {
    app.add_option("--checkpoint", checkpoint_, "checkpoint to prune")->type_name("CKPT");
    app.add_option("--data", data_, "prepared dataset for calibration and recovery")->type_name("DATASET");
    app.add_option("--out", out_, "checkpoint to write")->type_name("CKPT");
  }

 protected:
  bool keys_are_options() const override { return false; }
  Json execute(const PruneOptions& options) override {
    require(checkpoint_, "--checkpoint");
    require(data_, "--data");
    require(out_, "--out");
    const Json report = prune(options, checkpoint_, data_, out_);
    print(fmt::format("{}: pruned checkpoint written\n", out_));
    return report;
  }

 private:
  std::string checkpoint_, data_, out_;
};

}  // namespace

std::unique_ptr<Command> prune_command() { return std::make_unique<PruneCommand>(); }

}  // namespace edgeclip
