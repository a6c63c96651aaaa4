#include "retrieval/evaluate/evaluate.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/measure.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/encoder_source.h"
#include "cli/runtime/options_command.h"

namespace edgeclip {

namespace {

struct Options : EncoderSource {
  std::string data, image_root;
  std::string split = "test";
  std::string people = "all";
  int batch = 32;
  int examples = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    source_fields(v);
    v("data", data, "prepared dataset");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("split", split, "split that is searched");
    v("people", people, "queries of everyone, or only of those (not) seen in the training split",
      {"all", "seen", "unseen"});
    v("batch", batch, "images or captions encoded at once");
    v("examples", examples, "so many captions with the images found for them, in the report of --json");
  }
};

/// Identities of the split that occur (seen) or do not occur (unseen) in "train".
std::vector<std::int64_t> people_of(const Dataset& dataset, const std::string& split, bool seen) {
  std::set<std::int64_t> trained, chosen;
  for (const auto& image : dataset.images)
    if (image.split == "train") trained.insert(image.id);
  for (const std::int64_t i : dataset.split(split)) {
    const std::int64_t id = dataset.images[static_cast<std::size_t>(i)].id;
    if ((trained.count(id) != 0) == seen) chosen.insert(id);
  }
  return {chosen.begin(), chosen.end()};
}

void print_direction(const char* label, const RetrievalMetrics& m) {
  print(fmt::format("{:<14} {:>7.2f} {:>7.2f} {:>7.2f} {:>7.2f} {:>7.2f}\n", label, m.r1, m.r5, m.r10, m.map,
                    m.minp));
}

class EvaluateCommand : public OptionsCommand<Options> {
 public:
  using OptionsCommand::OptionsCommand;
  const char* name() const override { return "evaluate"; }
  const char* summary() const override {
    return "Measures retrieval (R@K, mAP, mINP) on a split of a dataset";
  }
  const char* example() const override {
    return "evaluate --plan plan/ --data dataset/ --split test --json report.json";
  }

 protected:
  Json execute(const Options& options) override {
    require(options.data, "--data");
    if (options.batch < 1) invalid_input("--batch {}: must be at least 1", options.batch);
    if (options.examples < 0) invalid_input("--examples {}: must be 0 (none) or more", options.examples);
    const auto encoder = options.open();
    require_tokenizer(*encoder, options.path());
    const Dataset dataset = open_dataset_with_images(options.data, options.image_root);
    EvaluateOptions how;
    how.split = options.split;
    how.batch = options.batch;
    how.examples = options.examples;
    if (options.people != "all") {
      how.only_ids = people_of(dataset, options.split, options.people == "seen");
      if (how.only_ids.empty())
        invalid_input("{}: split \"{}\" has no people {} in training; use --people all", options.data,
                      options.split, options.people);
    }
    ResourceSampler sampler;
    const Evaluation result = evaluate(*encoder, dataset, how);
    print(fmt::format("{} on {} ({}, people: {}): {} queries, {} gallery images\n", options.path(),
                      options.data, options.split, options.people, result.queries, result.gallery));
    print(fmt::format("{:<14} {:>7} {:>7} {:>7} {:>7} {:>7}   (percent)\n", "", "R@1", "R@5", "R@10", "mAP",
                      "mINP"));
    print_direction("text to image", result.text_to_image);
    print_direction("image to text", result.image_to_text);
    print_direction("chance", result.chance);
    Json report = to_json(result);
    report.update(usage_json(sampler.stop()));
    report["encoder"] = options.path();
    report["data"] = options.data;
    report["split"] = options.split;
    report["people"] = options.people;
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> evaluate_command(const OpenCheckpoint& open_checkpoint) {
  Options defaults;
  defaults.open_checkpoint = open_checkpoint;
  return std::make_unique<EvaluateCommand>(std::move(defaults));
}

}  // namespace edgeclip
