#include "model/import/import.h"
#include "base/atomic_output.h"
#include "base/build_info.h"
#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"
#include "model/checkpoint.h"

namespace edgeclip {

namespace {

struct Options : ImportOptions {
  std::string out;

  template <class Visitor>
  void fields(Visitor& v) {
    v("from", from,
      "Hugging Face folder, or a file of weights (safetensors, OpenAI's or open_clip's .pt and .bin)");
    v("out", out, "checkpoint to write");
    v("model_config", model_config,
      "the architecture's file (config.json, open_clip's model configuration); default: beside the weights");
    v("tokenizer", tokenizer, "clip:FILE, or a folder; default: the one in the folder, or none");
    v("convention", convention,
      "of CLIP's tokenizer: openai | huggingface; default: as the files are usually used");
    v("image_height", image_height,
      "pixels, to which the position embeddings are resized; 0: the model's own");
    v("image_width", image_width, "likewise");
    v("position_rule", position_rule,
      "how they are resized: open_clip's antialiased bicubic, or Hugging Face's",
      {"open_clip", "huggingface"});
  }
  void validate(const std::string& where) const {
    for (const int size : {image_height, image_width})
      if (size < 0 || size > 8192)
        invalid_input("{}image_height and image_width: must be 0 to 8192, found {}", where, size);
  }
};

class ImportCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "import"; }
  const char* summary() const override { return "Makes a checkpoint of another library's weights"; }
  const char* example() const override {
    return "import --from ViT-B-32.pt --tokenizer clip:bpe_simple_vocab_16e6.txt.gz --out clip/";
  }

 protected:
  Json execute(const Options& options) override {
    require(options.from, "--from");
    require(options.out, "--out");
    require_replaceable(options.out, kCheckpointFile, {options.from});
    Json report;
    const Checkpoint checkpoint = import_model(options, &report);
    save_checkpoint(options.out, checkpoint);
    print(fmt::format("{}: checkpoint written: {} parameters from {} tensors of {}; {} tensors left out\n",
                      options.out, report["parameters"].dump(), report["tensors"].dump(),
                      report["source"].get<std::string>(), report["unused"].size()));
    Json whole = {{"from", options.from}, {"out", options.out}};
    whole.update(report);
    return whole;
  }
};

}  // namespace

std::unique_ptr<Command> import_command() { return std::make_unique<ImportCommand>(); }

}  // namespace edgeclip
