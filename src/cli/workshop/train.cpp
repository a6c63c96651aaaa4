#include "train/train.h"

#include "cli/runtime/named_options.h"
#include "cli/runtime/options_command.h"
#include "cli/workshop/unreadable.h"
#include "cli/workshop/workshop_commands.h"
#include "train/run_folder.h"

namespace edgeclip {

namespace {

struct Options : TrainOptions, TrainPaths {
  std::string resume = "no";  ///< TrainPaths::resume follows from it

  template <class Visitor>
  void fields(Visitor& v) {
    v("data", data, "prepared dataset");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("out", out, "run folder: metrics.jsonl, best, final");
    v("init", init, "checkpoint to start from");
    v("adapter", adapter,
      "of --init: the name of one of its adapters, none, or the folder of a PEFT adapter on top of it; it is "
      "merged first, or trained on (--lora-mode continue)");
    v("resume", resume,
      "goes on where an interrupted run in --out stopped, with its options and data: none need be repeated; latest: or in the run "
      "that was saved last of those in --out, or starts if there is none",
      {"no", "yes", "latest"});
    v("overwrite", overwrite, "replaces a trained run in --out, once the new one has saved something");
    v("device", device, "where it computes; auto: on a GPU where LibTorch has one", {"auto", "cpu", "cuda"});
    TrainOptions::fields(v);
  }
  /// What comes with --init is judged there, by settle_training().
  void validate(const std::string& where) const {
    TrainOptions judged = *this;
    if (!init.empty()) {
      judged.model = ModelConfig();
      judged.image = ImageTransform();
    }
    judged.validate(where);
  }
};

class TrainCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "train"; }
  const char* summary() const override { return "Trains a dual encoder, or an adapter on a trained one"; }
  const char* example() const override {
    return "train --config configs/model/tiny.json --data dataset/ --out run/ --epochs 3 --batch 64 --set optimizer.lr=0.0005";
  }

 protected:
  bool keys_are_options() const override { return false; }
  void settle(Options& options, const CommonOptions& common) const override {
    options.named = named_options(common, given_);
    if (options.resume != "no") require(options.out, "--out");
    options.TrainPaths::resume = options.resume == "yes";
    if (const auto run = latest_run(options.out); options.resume == "latest" && !run.empty()) {
      options.out = run;
      options.TrainPaths::resume = true;
    }
    settle_training(options, options);
  }
  Json execute(const Options& options) override {
    require(options.data, "--data");
    require(options.out, "--out");
    if (options.TrainPaths::resume && options.overwrite) invalid_input("--resume and --overwrite: one of the two");
    const Json report = train(options, options);
    if (report.is_null()) return report;
    print(fmt::format("{}: best and final checkpoints written\n", options.out));
    require_readable(report, options.loading, "", options.data, options.out, report);
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> train_command() { return std::make_unique<TrainCommand>(); }

}  // namespace edgeclip
