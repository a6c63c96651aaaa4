#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"
#include "data/synthetic/pedestrian.h"

namespace edgeclip {

namespace {

struct Options : SynthesizeOptions {
  template <class Visitor>
  void fields(Visitor& v) {
    v("out", out, "prepared dataset to write");
    v("people", people, "people of all splits together");
    v("test_people", test_people,
      "of these, people of the split test (descriptions pairwise different); -1: a quarter");
    v("val_people", val_people, "of these, people of the split val; -1: a twentieth");
    v("images_per_person", draw.images_per_person,
      "images of each person, in other poses, lights and backgrounds");
    v("captions_per_image", draw.captions_per_image, "captions of each image, in varied wording");
    v("height", draw.height, "pixels");
    v("width", draw.width, "pixels");
    v("context_length", context_length, "most tokens of a caption, ends included");
    v("tokenizer", tokenizer,
      "train:SIZE (on the captions), sentencepiece:FILE.model, or a tokenizer folder");
    v("seed", draw.seed, "person i of a seed is always the same");
    v("overwrite", overwrite, "replaces a dataset in --out");
  }
  /// What is wrong is said by synthesize_dataset, when --config and the command line are taken together.
  void validate(const std::string&) const {}
};

class SynthesizeCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "synthesize"; }
  const char* summary() const override {
    return "Draws pedestrians with captions: a prepared dataset with known truth";
  }
  const char* example() const override { return "synthesize --out synthetic/ --people 300 --seed 1"; }

 protected:
  void settle(Options& options, const CommonOptions&) const override {
    if (options.people > 0) options.SynthesizeOptions::settle();  // else it is refused
  }
  Json execute(const Options& options) override {
    require(options.out, "--out");
    const Json report = synthesize_dataset(options);
    print(fmt::format("{}: dataset written\n{}\n", options.out, report.dump(2)));
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> synthesize_command() { return std::make_unique<SynthesizeCommand>(); }

}  // namespace edgeclip
