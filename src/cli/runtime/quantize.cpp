#include "builder/quantize/quantize.h"

#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/retrieval_probe.h"

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
    v("calibration", calibration,
      "static: a calibration.json of the same model, instead of --data; default without either: the bundle's own, if it was trained with "
      "quantization_aware");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("split", split, "split used for calibration");
    v("samples", samples, "images and captions used for calibration");
    v("calibrator", calibrator, "how the range of an activation follows from what was seen of it",
      {"minmax", "percentile", "entropy", "mse"});
    v("range", range, "older name of calibrator");
    v("percentile", percentile, "calibrator percentile: that share of values is kept, the rest is clipped");
    v("smooth", smooth,
      "static: activations behind a LayerNorm are made even, channel by channel, at the expense of the weights that read them "
      "(SmoothQuant): how far, from 0 (off) to 1");
    v("bias_correction", bias_correction, "static: biases take back what rounding of weights does to the mean of outputs");
    v("weight_bits", weight_bits,
      "8, or 7: then CPUs without VNNI multiply in int8 too, at some loss of accuracy");
    v("exclude", exclude,
      "part of node or weight names that stay float32, or =NAME for a whole name; image: or text: before it: of that tower "
      "alone; repeatable");
    v("sensitivity", sensitivity, "writes a JSON file of what int8 in each layer alone does to embeddings, R@1 and mAP");
    v("max_recall_loss", max_recall_loss,
      "leaves as few layers in float32 as keep R@1 (text to image) within so many points of float32; below 0: no search");
    v("score_split", score_split, "split of --data whose retrieval sensitivity and max_recall_loss measure");
    v("score_samples", score_samples, "images of it, with their captions, at most");
    v("overwrite", overwrite, "replaces a bundle in --out, and the file of --sensitivity");
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
  std::vector<std::string> more_examples() const override {
    return {"quantize --bundle bundle/ --data dataset/ --sensitivity layers.json",
            "quantize --bundle bundle/ --data dataset/ --max-recall-loss 0.5 --out bundle-int8/"};
  }

 protected:
  Json execute(const Options& options) override {
    require(options.bundle, "--bundle");
    if (options.sensitivity.empty()) require(options.out, "--out");
    const Json report = builder::quantize_bundle(
        options, retrieval_probe(options.data, options.image_root, options.score_split, options.score_samples));
    if (!options.sensitivity.empty()) print(fmt::format("{}: what each layer costs written\n", options.sensitivity));
    if (report.contains("mixed")) print_mixed(report.at("mixed"));
    if (!options.out.empty()) print(fmt::format("{}: int8 bundle written\n", options.out));
    return report;
  }

 private:
  static void print_mixed(const Json& mixed) {
    const auto score = [&](const char* key) {
      return fmt::format("{:.2f} ({:.2f})", mixed[key]["R@1"].get<double>(), mixed[key]["mAP"].get<double>());
    };
    print(fmt::format("R@1 (mAP) on {} images: float32 {}, int8 {}, this bundle {}\n", mixed["images"].get<int>(), score("fp32"),
                      score("int8"), score("result")));
    for (const Json& layer : mixed["float_layers"])
      print(fmt::format("float32: {} tower, {} ({:.1f} dB, R@1 {:+.2f} by itself)\n", layer["tower"].get<std::string>(),
                        layer["layer"].get<std::string>(), layer["sqnr_db"].get<double>(), -layer["R@1_loss"].get<double>()));
  }
};

}  // namespace

std::unique_ptr<Command> quantize_command() { return std::make_unique<QuantizeCommand>(); }

}  // namespace edgeclip
