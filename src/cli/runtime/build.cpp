#include "builder/build_plan.h"

#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"

namespace edgeclip {

namespace {

struct Options : builder::BuildOptions {
  template <class Visitor>
  void fields(Visitor& v) {
    v("bundle", bundle, "bundle to build from");
    v("out", out, "plan folder to write");
    v("precision", precision, "arithmetic of the plan", {"fp32", "fp16", "bf16", "int8"});
    v("batches", batches, "batch sizes the plan is checked for; larger batches are cut to the largest");
    v("memory_pool_mb", memory_pool_mb, "most memory of one context's activations, MiB");
    v("strict", strict, "a layer that only a readable reference kernel takes is a failed check (exit 3)");
    v("calibration", calibration, "int8: prepared dataset or calibration.json; empty: the bundle's own");
    v("image_root", image_root,
      "of a --calibration dataset: the folder of its images, where they were moved");
    v("overwrite", overwrite, "replaces a plan in --out");
  }
};

class BuildCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "build"; }
  const char* summary() const override { return "Builds a bundle into a plan, ready to run"; }
  const char* example() const override {
    return "build --bundle bundle/ --precision fp32 --batches 1,4,8 --memory-pool-mb 256 --out plan/";
  }

 protected:
  Json execute(const Options& options) override {
    require(options.bundle, "--bundle");
    require(options.out, "--out");
    const Json report = builder::build_plan(options);
    print(fmt::format("{}: {} plan written\n", options.out, options.precision));
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> build_command() { return std::make_unique<BuildCommand>(); }

}  // namespace edgeclip
