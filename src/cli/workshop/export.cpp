#include "export/export.h"

#include "export/huggingface.h"

#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"

namespace edgeclip {

namespace {

struct Options : ExportOptions {
  std::string format = "onnx";
  bool verify = true;

  template <class Visitor>
  void fields(Visitor& v) {
    v("checkpoint", checkpoint, "checkpoint to export");
    v("out", out, "bundle (or Hugging Face folder) to write");
    v("format", format, "a bundle of ONNX models, or a folder for transformers", {"onnx", "hf"});
    v("adapter", adapter,
      "the name of one of its adapters (default: the one in use), none, or the folder of a PEFT adapter instead; it is "
      "folded into the weights");
    v("separate_adapter", separate_adapter,
      "hf: leaves the weights as they are, and writes the adapter to adapter/ as PEFT does");
    v("token_merging", token_merging,
      "tokens that each layer of the image tower merges, in the place of the checkpoint's: one number for all layers, or one "
      "per layer; 0: none");
    v("token_budget", token_budget,
      "instead: the part of the image tower's multiply-accumulates without merging that is left at most (0.6; as profile counts them); "
      "every layer then merges as many tokens, as few as do; 0: as the checkpoint says");
    v("opset", opset, "ONNX operator set, 12 to 20");
    v("external_data", external_data, "weights in files beside the models (image.onnx.data); above 2 GiB they are anyway");
    v("merged", merged,
      "writes model.onnx as well, for other runtimes: both towers and logits_per_image, logits_per_text, as transformers' CLIPModel gives them");
    v("uint8_pixels", uint8_pixels,
      "writes image_uint8.onnx as well, for other runtimes: its input are resized bytes (batch, H, W, 3), which it normalizes itself; "
      "model.onnx takes them too");
    v("overwrite", overwrite, "replaces a bundle in --out");
    v("verify", verify, "replays the reference inputs through the engine afterwards");
  }
};

class ExportCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "export"; }
  const char* summary() const override {
    return "Writes a checkpoint as a bundle: two ONNX models and all they need";
  }
  const char* example() const override { return "export --checkpoint run/best --out bundle/"; }

 protected:
  Json execute(const Options& options) override {
    require(options.checkpoint, "--checkpoint");
    require(options.out, "--out");
    if (options.adapter == "separate")
      throw InvalidInput("--adapter separate: names an adapter; to write it beside the weights say --separate-adapter");
    if (options.format != "hf" && options.separate_adapter)
      throw InvalidInput("--separate-adapter goes with --format hf; a bundle holds one model");
    if (options.format == "hf" && options.external_data)
      throw InvalidInput("--external-data: is of ONNX files, and --format hf writes none; leave it out");
    if (options.format == "hf" && (!options.token_merging.empty() || options.token_budget != 0))
      throw InvalidInput("--token-merging, --token-budget: are nothing that transformers knows, and --format hf writes for it; leave them out");
    if (options.format == "hf" && (options.merged || options.uint8_pixels))
      throw InvalidInput("--merged, --uint8-pixels: are of ONNX files, and --format hf writes none; leave them out");
    if (options.format == "hf") {
      const Json report = export_huggingface(options);
      print(fmt::format("{}: Hugging Face folder written\n", options.out));
      return report;
    }
    Json report = export_bundle(options);
    print(fmt::format("{}: bundle written\n", options.out));
    if (options.verify) {
      try {
        report["verify"] = verify_and_print(options.out);
      } catch (const CheckNotMetWithReport& e) {
        report["verify"] = e.report;
        throw CheckNotMetWithReport(e.what(), report);
      }
    }
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> export_command() { return std::make_unique<ExportCommand>(); }

}  // namespace edgeclip
