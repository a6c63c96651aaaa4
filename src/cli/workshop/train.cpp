#include "train/train.h"

#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"

namespace edgeclip {

namespace {

class TrainCommand : public OptionsCommand<TrainOptions> {
 public:
  const char* name() const override { return "train"; }
  const char* summary() const override { return "Trains a dual encoder, or an adapter on a trained one"; }
  const char* example() const override {
    return "train --data dataset/ --out run/ --set epochs=10 --set batch=64";
  }

  void declare(CLI::App& app) override {
    app.add_option("--data", paths_.data, "prepared dataset")->type_name("DATASET");
    app.add_option("--out", paths_.out, "run folder: metrics.jsonl, best, final")->type_name("RUN");
    app.add_option("--init", paths_.init, "checkpoint to start from")->type_name("CKPT");
    app.add_flag("--resume", paths_.resume, "goes on where an interrupted run in --out stopped");
    app.add_option("--device", device_, "auto|cpu|cuda")->type_name("DEVICE")->default_str(device_);
  }

 protected:
  bool keys_are_options() const override { return false; }
  Json execute(const TrainOptions& options) override {
    require(paths_.data, "--data");
    require(paths_.out, "--out");
    if (device_ != "auto" && device_ != "cpu")
      invalid_input("--device {}: this build trains on the CPU; use --device cpu", device_);
    const Json report = train(options, paths_);
    print(fmt::format("{}: best and final checkpoints written\n", paths_.out));
    return report;
  }

 private:
  TrainPaths paths_;
  std::string device_ = "auto";
};

}  // namespace

std::unique_ptr<Command> train_command() { return std::make_unique<TrainCommand>(); }

}  // namespace edgeclip
