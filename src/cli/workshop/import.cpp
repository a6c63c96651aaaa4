#include "model/import/import.h"
#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/log.h"
#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"
#include "model/checkpoint.h"

namespace edgeclip {

namespace {

struct Options : ImportOptions {
  std::string out;
  bool overwrite = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("from", from,
      "both towers: Hugging Face's CLIP folder, or a file of weights (safetensors, OpenAI's or open_clip's "
      ".pt "
      "and .bin)");
    v("image", image,
      "instead, with --text: the image tower, of torchvision's ResNet (.pth) or of any --from");
    v("text", text, "instead, with --image: the text tower, of a DistilBERT folder or of any --from");
    v("out", out, "checkpoint to write");
    v("overwrite", overwrite, "replaces a checkpoint in --out");
    v("adapter", adapter, "folder of a PEFT adapter of the model, which stays an adapter");
    v("model_config", model_config,
      "the architecture's file (config.json, open_clip's model configuration); default: beside the weights");
    v("tokenizer", tokenizer,
      "clip:FILE, bert:vocab.txt, or a folder; default: the one in the folder, or none");
    v("convention", convention,
      "of CLIP's tokenizer: openai | huggingface; default: as the files are usually used");
    v("projection_dim", projection_dim,
      "embedding width; where it is not the source's own, the heads are new; 0: the source's, or 512");
    v("projection", projection, "the projection heads: linear as in CLIP, or new ones with a hidden layer",
      {"linear", "mlp"});
    v("seed", seed, "of new heads");
    v("image_pooling", image_pooling, "of a ViT: class | mean; default: the source's");
    v("text_pooling", text_pooling,
      "of DistilBERT: cls | mean; of CLIP's text tower: first_end | largest_id; default: cls, or the "
      "source's");
    v("leave_out_extra", leave_out_extra,
      "leave out tensors that belong to no part of the model, instead of refusing the file");
    v("image_height", image_height,
      "pixels; a ViT's position embeddings are resized to it, a ResNet takes any; 0: the model's own");
    v("image_width", image_width, "likewise");
    v("position_rule", position_rule,
      "how they are resized: open_clip's antialiased bicubic, or Hugging Face's",
      {"open_clip", "huggingface"});
  }
};

class ImportCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "import"; }
  const char* summary() const override { return "Makes a checkpoint of other libraries' weights"; }
  const char* example() const override {
    return "import --from clip-vit-base-patch32/ --out clip/";
  }
  std::vector<std::string> more_examples() const override {
    return {"import --from ViT-B-32.pt --tokenizer clip:bpe_simple_vocab_16e6.txt.gz --out clip/"};
  }

 protected:
  Json execute(const Options& options) override {
    if (options.image.empty() && options.text.empty())
      require(options.from, "--from, or --image and --text,");
    require(options.out, "--out");
    AtomicDirectory out(options.out, kCheckpointFile,
                        {options.overwrite, {options.from, options.image, options.text, options.adapter}});
    Json report;
    const Checkpoint checkpoint = import_model(options, &report);
    save_checkpoint(out, checkpoint);
    print(fmt::format("{}: checkpoint written: {} parameters from {} tensors of {}; {} tensors left out{}\n",
                      options.out, report["parameters"].dump(), report["tensors"].dump(),
                      report["source"].get<std::string>(), report["unused"].size() + report["ignored"].size(),
                      options.adapter.empty() ? "" : "; with the adapter of " + options.adapter));
    if (!checkpoint.tokenizer)
      spdlog::warn("{}: has no tokenizer, so it reads token ids alone and makes no bundle; give --tokenizer",
                   options.out);
    Json whole = Json::object();
    if (!options.from.empty()) whole["from"] = options.from;
    if (!options.image.empty()) whole.update({{"image", options.image}, {"text", options.text}});
    whole["out"] = options.out;
    whole.update(report);
    return whole;
  }
};

}  // namespace

std::unique_ptr<Command> import_command() { return std::make_unique<ImportCommand>(); }

}  // namespace edgeclip
