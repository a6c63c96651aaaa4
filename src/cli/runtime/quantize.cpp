#include "builder/quantize/quantize.h"

#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"

namespace edgeclip {

namespace {

struct Options : builder::QuantizeOptions {
  template <class Visitor>
  void fields(Visitor& v) {
    v("bundle", bundle, "fp32 bundle to quantize");
    v("out", out, "bundle to write");
    v("method", method,
      "static: activation ranges are calibrated; dynamic: weights alone are int8, activations by a scale for every row at "
      "run time",
      {"static", "dynamic"});
    v("data", data, "static: prepared dataset whose images and captions calibrate");
    v("calibration", calibration, "static: a calibration.json of the same model, instead of --data");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("split", split, "split used for calibration");
    v("samples", samples, "images and captions used for calibration");
    v("calibrator", calibrator, "how the range of an activation follows from what was seen of it",
      {"minmax", "percentile", "entropy", "mse"});
    v("range", range, "older name of calibrator");
    v("percentile", percentile, "calibrator percentile: that share of values is kept, the rest is clipped");
    v("weight_bits", weight_bits,
      "8, or 7: then CPUs without VNNI multiply in int8 too, at some loss of accuracy");
    v("overwrite", overwrite, "replaces a bundle in --out");
    v("exclude", exclude, "part of node or weight names that stay float32; repeatable");
  }
};

class QuantizeCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "quantize"; }
  const char* summary() const override {
    return "Turns an fp32 bundle into an int8 one (ONNX that other runtimes read too)";
  }
  const char* example() const override {
    return "quantize --bundle bundle/ --method static --data dataset/ --out bundle-int8/";
  }

 protected:
  Json execute(const Options& options) override {
    require(options.bundle, "--bundle");
    require(options.out, "--out");
    const Json report = builder::quantize_bundle(options);
    print(fmt::format("{}: int8 bundle written\n", options.out));
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> quantize_command() { return std::make_unique<QuantizeCommand>(); }

}  // namespace edgeclip
