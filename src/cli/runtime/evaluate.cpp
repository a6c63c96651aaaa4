#include "retrieval/evaluate/evaluate.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/log.h"
#include "base/measure.h"
#include "base/report_file.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/encoder_source.h"
#include "cli/runtime/model_history.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/report/evaluation_table.h"
#include "cli/runtime/report/worst_page.h"
#include "retrieval/evaluate/comparison.h"
#include "retrieval/evaluate/training_data.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options : EncoderSource {
  std::string data, image_root;
  std::string split = "test";
  std::string people = "all", relevant = "person";
  std::string against, against_adapter, csv, worst;
  int batch = 32;
  int examples = 0, top = 10, worst_queries = 20;
  std::int64_t bootstrap = 1000, permutations = 10000;
  std::uint64_t seed = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    source_fields(v);
    v("data", data, "prepared dataset");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("split", split, "split that is searched");
    v("people", people, "queries of everyone, or only of those (not) seen in the training split",
      {"all", "seen", "unseen"});
    v("relevant", relevant,
      "what is right for a caption: every image of its person, or its own image alone (five captions of an "
      "image: Flickr30K, COCO)",
      {"person", "image"});
    v("batch", batch, "images or captions encoded at once");
    v("bootstrap", bootstrap, "resamplings of the people for the 95 % intervals; 0: no intervals");
    v("against", against,
      open_checkpoint ? "another model on the same queries, compared by a paired test: a plan, a checkpoint, "
                        "or the CSV of its evaluation"
                      : "another model on the same queries, compared by a paired test: a plan, or the CSV of "
                        "its evaluation");
    if (open_checkpoint)
      v("against_adapter", against_adapter,
        "of a checkpoint that --against names, as --adapter of --checkpoint");
    v("permutations", permutations,
      "assignments of signs that the test draws; if there are no more than so many, it takes all");
    v("seed", seed, "of both draws");
    v("csv", csv, "every query as CSV: direction, number, id, query, how it did, what was found first");
    v("worst", worst, "the captions that do worst, with what was found for them, as a page F.html");
    v("worst_queries", worst_queries, "captions on that page");
    v("top", top, "results of each query in the CSV");
    v("examples", examples, "so many captions with the images found for them, in the report of --json");
  }
  void validate(const std::string& where) const {
    const auto within = [&](const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
      if (value < low || value > high)
        invalid_input("{}{}: {} is not within {}..{}", where, name, value, low, high);
    };
    within("bootstrap", bootstrap, 0, 1000000);
    within("permutations", permutations, 1, 10000000);
    within("worst_queries", worst_queries, 1, 1000);
    within("top", top, 1, 100);
    const Options usual;
    const auto of = [&](const char* name, bool set, bool used, const char* what) {
      if (set && !used)
        invalid_input("{}{}: has no effect without {}; add it, or leave this out", where, name, what);
    };
    of("worst_queries", worst_queries != usual.worst_queries, !worst.empty(), "--worst F.html");
    of("top", top != usual.top, !csv.empty(), "--csv F.csv");
    of("permutations", permutations != usual.permutations, !against.empty(), "--against");
    of("against_adapter", !against_adapter.empty(), !against.empty(), "--against");
    of("seed", seed != usual.seed, bootstrap > 0 || !against.empty(), "--bootstrap or --against");
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

/// What --against names, opened as far as that costs little before the work, so that a wrong name costs none.
class Against {
 public:
  explicit Against(const Options& options) : options_(options) {
    source_.packed_cache = options.packed_cache;
    source_.open_checkpoint = options.open_checkpoint;
    if (fs::is_regular_file(options.against)) {
      given_ = read_query_csv(options.against);
    } else if (is_plan_folder(options.against) || !options.open_checkpoint) {
      source_.plan = options.against;
      encoder_ = source_.open();
    } else {
      require_directory(options.against, "plan, checkpoint or table of queries");
      source_.checkpoint = options.against;
      source_.adapter = options.against_adapter;
      source_.packed_cache = false;
    }
    if (source_.checkpoint.empty() && !options.against_adapter.empty())
      invalid_input("--against-adapter {}: is of a checkpoint, and --against {} is none",
                    options.against_adapter, options.against);
  }

  /// Throws InvalidInput if the table given is of other queries.
  void require_queries(const EvaluationSet& set, const EvaluateOptions& how) const {
    if (given_) require_same_queries(evaluation_queries(set, how), options_.data, *given_, options_.against);
  }

  QueryOutcomes outcomes(const Dataset& dataset, EvaluateOptions how) {
    if (given_) return *given_;
    if (!encoder_) encoder_ = source_.open();
    require_tokenizer(*encoder_, options_.against);
    how.examples = how.worst = how.results = 0;
    how.time_images = false;
    how.bootstrap.resamples = 0;
    return evaluate(*encoder_, dataset, how).outcomes;
  }

 private:
  const Options& options_;
  EncoderSource source_;
  std::unique_ptr<Encoder> encoder_;
  std::optional<QueryOutcomes> given_;
};

/// What is written, looked at before the work.
void require_outputs(const Options& options) {
  if (!options.csv.empty()) require_report_output(options.csv, ReportKind::kQueries, {options.against});
  if (!options.worst.empty()) require_report_output(options.worst, ReportKind::kHtml, {options.against});
  if (!options.csv.empty() && !options.worst.empty() &&
      output_place(options.csv) == output_place(options.worst))
    invalid_input("--csv and --worst: both name {}; give each a file of its own", options.csv);
}

EvaluateOptions evaluate_options(const Options& options, const Dataset& dataset) {
  EvaluateOptions how;
  how.split = options.split;
  how.batch = options.batch;
  how.examples = options.examples;
  how.time_images = true;
  how.relevance = options.relevant == "image" ? Relevance::kImage : Relevance::kPerson;
  how.bootstrap = {options.bootstrap, options.seed};
  how.worst = options.worst.empty() ? 0 : options.worst_queries;
  how.results = options.csv.empty() ? 0 : options.top;
  if (options.people != "all") {
    how.only_ids = people_of(dataset, options.split, options.people == "seen");
    if (how.only_ids.empty())
      invalid_input("{}: split \"{}\" has no people {} in training; use --people all", options.data,
                    options.split, options.people);
  }
  return how;
}

/// What of the evaluation a model may have been trained on.
TrainingOverlap overlap_of(const std::string& model, const std::string& adapter, const std::string& split,
                           const Dataset& dataset, const QueryOutcomes& outcomes) {
  std::set<std::int64_t> ids;
  for (const QueryOutcome& outcome : outcomes.text_to_image) ids.insert(outcome.id);
  Json history = model_history(model);
  if (const Json more = adapter.empty() ? Json() : model_history(adapter);
      more.is_array() && history.is_array())
    history.insert(history.end(), more.begin(), more.end());
  return training_overlap(dataset, split, ids, history);
}

void warn_of(const TrainingOverlap& overlap, const std::string& model, const Dataset& dataset,
             const std::string& split) {
  if (const std::string warning = training_warning(overlap, dataset, split); !warning.empty())
    spdlog::warn("{}: {}", model, warning);
}

Json compare(const Options& options, Against& against, const Dataset& dataset, const EvaluateOptions& how,
             const QueryOutcomes& outcomes) {
  const Comparison comparison =
      compare_outcomes(outcomes, options.path(), against.outcomes(dataset, how), options.against,
                       how.bootstrap, {options.permutations, options.seed});
  print(report::comparison_table(comparison, options.against));
  Json json = {{"against", options.against}};
  json.update(to_json(comparison));
  json["training_data"] = nullptr;  // a table does not tell
  if (fs::is_directory(options.against)) {
    const TrainingOverlap overlap =
        overlap_of(options.against, options.against_adapter, options.split, dataset, outcomes);
    if (overlap.trained_here == true) warn_of(overlap, options.against, dataset, options.split);
    json["training_data"] = to_json(overlap);
  }
  return json;
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
  std::vector<std::string> more_examples() const override {
    return {
        "evaluate --plan plan-int8/ --data dataset/ --against plan/ --csv queries.csv --worst worst.html"};
  }

 protected:
  Json execute(const Options& options) override {
    require(options.data, "--data");
    if (options.batch < 1) invalid_input("--batch {}: must be at least 1", options.batch);
    if (options.examples < 0) invalid_input("--examples {}: must be 0 (none) or more", options.examples);
    require_outputs(options);
    std::optional<Against> against;
    if (!options.against.empty()) against.emplace(options);
    auto encoder = options.open();
    require_tokenizer(*encoder, options.path());
    const Dataset dataset = open_dataset_with_images(options.data, options.image_root);
    const EvaluateOptions how = evaluate_options(options, dataset);
    if (against) against->require_queries(evaluation_set(dataset, options.split), how);
    ResourceSampler sampler;
    const Evaluation result = evaluate(*encoder, dataset, how);
    const Json usage = usage_json(sampler.stop());
    encoder.reset();
    print(fmt::format("{} on {} ({}, people: {}): {} queries, {} gallery images\n", options.path(),
                      options.data, options.split, options.people, result.queries, result.gallery));
    print(report::evaluation_table(result));
    Json report = to_json(result);
    report.update(usage);
    report["encoder"] = options.path();
    report["data"] = options.data;
    report["split"] = options.split;
    report["people"] = options.people;
    report["relevant"] = options.relevant;
    const TrainingOverlap overlap =
        overlap_of(options.path(), options.adapter, options.split, dataset, result.outcomes);
    warn_of(overlap, options.path(), dataset, options.split);
    report["training_data"] = to_json(overlap);
    if (!options.csv.empty()) write_query_csv(options.csv, result.outcomes);
    if (!options.worst.empty()) {
      AtomicFile page(options.worst);
      page.write(report::worst_page({options.path(), options.data, options.split}, result));
      page.commit();
    }
    if (against) report["comparison"] = compare(options, *against, dataset, how, result.outcomes);
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
