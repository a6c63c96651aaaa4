#include "data/dataset/prepare.h"

#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"

namespace edgeclip {

namespace {

struct Options : PrepareOptions {
  template <class Visitor>
  void fields(Visitor& v) {
    v("annotations", annotations, "annotation file");
    v("images", images, "folder the annotated paths start from (video: the folder that holds the video)");
    v("out", out, "prepared dataset to write");
    v("format", format,
      "form of the annotations: auto (by content), reid, cuhk, icfg, rstp, flickr, coco, csv, tree, video");
    v("no_images", no_images, "captions alone: images are neither looked for nor needed");
    v("strip_prefix", strip_prefix, "removed from the start of every annotated path");
    v("prompt", prompt, "put before every caption");
    v("tokenizer", tokenizer,
      "train:SIZE (on the dataset's own captions), clip:FILE, bert:vocab.txt, sentencepiece:FILE.model, or a "
      "folder");
    v("convention", convention,
      "of CLIP's tokenizer: openai | huggingface; of a sentencepiece model: eos | bos,eos, with ,pad=ID or "
      "without; "
      "default: as the files are usually used");
    v("context_length", context_length, "most tokens of a caption, ends included");
    v("split", split, "annotated, or the part of the identities that becomes the test split (0.2)");
    v("val_from_frame", val_from_frame,
      "video: training records from this frame on become the split val; -1: none");
    v("seed", seed, "of random splits");
    v("max_unreadable", max_unreadable, "percent of records that may be unusable; above it exit 3");
    v("overwrite", overwrite, "replaces a dataset of other sources or options in --out");
  }
};

std::string range(const Json& summary) {
  return fmt::format("{} to {}, mean {}", summary.at("min").dump(), summary.at("max").dump(),
                     summary.at("mean").dump());
}

/// What the dataset holds, for people.
std::string statistics(const Json& report) {
  std::string text = fmt::format("{}: {}\n{:<6} {:>10} {:>10} {:>10}\n", report.at("out").get<std::string>(),
                                 report.at("unchanged") == true ? "unchanged" : "dataset written", "split",
                                 "images", "captions", "identities");
  const auto row = [&](const std::string& name, const Json& counts) {
    text += fmt::format("{:<6} {:>10} {:>10} {:>10}\n", name, counts.at("images").dump(),
                        counts.at("pairs").dump(), counts.at("identities").dump());
  };
  for (const auto& [name, counts] : report.at("splits").items()) row(name, counts);
  row("all", report.at("counts"));
  text += fmt::format("captions per image: {}\ntokens per caption: {}; {} cut off at {}\n",
                      range(report.at("captions_per_image")), range(report.at("caption_tokens")),
                      report.at("captions_cut").dump(), report.at("context_length").dump());
  if (const Json& sizes = report.at("image_sizes"); !sizes.is_null())
    text += fmt::format("image width: {}; height: {}; {} different sizes\n", range(sizes.at("width")),
                        range(sizes.at("height")), sizes.at("different").dump());
  text += fmt::format("unusable records: {} of {}\n", report.at("unusable_records").dump(),
                      report.at("records").dump());
  return text;
}

class PrepareCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "prepare"; }
  const char* summary() const override {
    return "Makes a prepared dataset from annotations and images or a video";
  }
  const char* example() const override {
    return "prepare --annotations annotations.json --images images/ --out dataset/";
  }
  std::vector<std::string> more_examples() const override {
    return {"prepare --format video --annotations examples/vtest_pedes/annotations.json "
            "--images /usr/share/doc/opencv-doc/examples/data --val-from-frame 320 --out dataset/"};
  }

 protected:
  Json execute(const Options& options) override {
    require(options.annotations, "--annotations");
    if (!options.no_images) require(options.images, "--images");
    require(options.out, "--out");
    const Json report = prepare_dataset(options);
    print(statistics(report));
    if (const double percent = report.at("unusable_percent").get<double>(); percent > options.max_unreadable)
      throw CheckNotMetWithReport(
          fmt::format(
              "{}: {} of {} records are unusable ({:.1f} %, --max-unreadable {}); {} holds the others",
              options.annotations, report.at("unusable_records").dump(), report.at("records").dump(), percent,
              options.max_unreadable, options.out),
          report);
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> prepare_command() { return std::make_unique<PrepareCommand>(); }

}  // namespace edgeclip
