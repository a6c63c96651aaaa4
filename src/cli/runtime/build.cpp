#include "builder/build_plan.h"

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include "base/threads.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/named_options.h"
#include "cli/runtime/options_command.h"
#include "engine/runtime/machine_peaks.h"

namespace edgeclip {

namespace {

struct Options : builder::BuildOptions {
  template <class Visitor>
  void fields(Visitor& v) {
    v("bundle", bundle, "bundle to build from");
    v("model", model, "or a MODEL.onnx");
    v("out", out, "plan folder to write");
    v("precision", precision, "arithmetic of the plan", {"fp32", "fp16", "bf16", "int8", "mixed"});
    v("batches", batches,
      "batch sizes a bundle's plan is checked for; larger batches are cut to the largest");
    v("shape", shape,
      "NAME=MIN:OPT:MAX (or NAME=SHAPE) of a model's input with dynamic dimensions, shapes like 1x3x224x224");
    v("card", card, "JSON file of a model's card (task, image, classes, ...); empty: task none");
    v("memory_pool_mb", memory_pool_mb, "most memory of one context's activations, MiB");
    v("strict", strict, "a layer that only a readable reference kernel takes is a failed check (exit 3)");
    v("calibration", calibration,
      "int8, mixed: prepared dataset; of a bundle or a calibration.json; of a model or a folder with "
      "NAME.npy "
      "of every input");
    v("calibrator", calibrator, "how --calibration chooses the range of an activation",
      {"minmax", "percentile", "entropy", "mse"});
    v("mixed_min_sqnr", mixed_min_sqnr,
      "mixed: least signal to noise ratio of a layer in int8, dB; below it is left in bf16");
    v("image_root", image_root,
      "of a --calibration dataset: the folder of its images, where they were moved");
    v("dump_graph", dump_graph, "before|after|before,after: writes the graph as it is around the rewrites");
    v("dump_dir", dump_dir, "folder for graph-before.dot, graph-before.json, ... of --dump-graph");
    v("overwrite", overwrite, "replaces a plan in --out");
  }
};

class BuildCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "build"; }
  const char* summary() const override {
    return "Builds a bundle or an ONNX model into a plan, ready to run";
  }
  const char* example() const override {
    return "build --bundle bundle/ --precision fp32 --batches 1,4,8 --memory-pool-mb 256 --out plan/";
  }
  std::vector<std::string> more_examples() const override {
    return {
        "build resnet.onnx --shape image=1x3x224x224:4x3x224x224:8x3x224x224 --precision int8 --calibration "
        "samples/ "
        "--out plan/  # samples/image.npy: some dozens of images along the first dimension",
        "build bert.onnx --shape input_ids=1x1:4x32:8x128 --shape attention_mask=1x1:4x32:8x128 --out plan/"};
  }

  void declare(CLI::App& app) override {
    OptionsCommand::declare(app);
    app.add_option_function<std::string>(
        "MODEL", [this](const std::string& model) { given_["model"] = model; },
        "ONNX file, instead of --bundle; its dynamic dimensions by --shape");
  }

 protected:
  /// A model has shapes instead of batches, which are only there if somebody named them.
  void settle(Options& options, const CommonOptions& common) const override {
    if (!options.model.empty() && !named_options(common, given_).contains("batches")) options.batches.clear();
  }
  /// A plan is portable, so this is said of the machine that built it alone.
  static void say_if_slower() {
    const double fp32 = engine::measure_gmacs("fp32", thread_count()), int8 = engine::measure_gmacs("int8", thread_count());
    if (int8 < fp32)
      spdlog::warn("on this CPU int8 products run at {:.2f} of the speed of float32; build with --precision fp32 for it", int8 / fp32);
  }

  Json execute(const Options& options) override {
    if (options.bundle.empty() && options.model.empty())
      invalid_input("name --bundle BUNDLE or a MODEL.onnx; see \"{} build --help\"", program_name());
    require(options.out, "--out");
    const Json report = builder::build_plan(options);
    if (options.precision == "int8" || options.precision == "mixed") say_if_slower();
    print(fmt::format("{}: {} plan written\n", options.out, options.precision));
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> build_command() { return std::make_unique<BuildCommand>(); }

}  // namespace edgeclip
