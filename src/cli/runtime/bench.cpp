#include "retrieval/evaluate/bench.h"

#include <filesystem>

#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/report_file.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/plan_options.h"
#include "cli/runtime/report/deployment_table.h"
#include "data/dataset/captions.h"
#include "data/dataset/dataset.h"
#include "retrieval/evaluate/query_stream.h"
#include "retrieval/evaluate/soak.h"
#include "retrieval/evaluate/tower_latency.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options : BenchOptions, PlanOptions {
  std::vector<std::string> plan;
  std::string data, image_root, gallery;
  std::string split = "test";
  std::string markdown, html;
  bool towers = false;
  double soak = 0;
  bool soak_append = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("plan", plan, "plan folder that encodes; several are measured by turns, side by side");
    plan_fields(v);
    v("data", data, "prepared dataset whose images are the queries");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("split", split, "split whose images are the queries");
    v("gallery", gallery, "gallery that is searched; empty: the queries' own images, encoded beforehand");
    v("same_precision", same_precision, "refuses a gallery that a plan of another precision made");
    v("queries", queries, "queries timed; images are taken in turn");
    v("batch", batch, "queries encoded at once");
    v("warmup", warmup, "batches before the clock starts");
    v("top", top, "results of each search");
    v("towers", towers,
      "times both towers by themselves as well, in batches of 1, 4 and 8 as far as the plan takes them (report key towers: ms per image, per caption)");
    v("blocks", blocks, "parts of the queries, in which several plans take turns; 0: 4, of one plan 1");
    v("markdown", markdown, "the table as Markdown, F.md");
    v("html", html, "the table as a page of its own, F.html");
    v("soak", soak,
      "asks images and texts in batches of several sizes for so many minutes more, and reports whether memory grows, queries fail or answers become slower (report key soak)");
    v("soak_append", soak_append, "images are appended to a temporary gallery meanwhile, which is what is searched");
  }
  void validate(const std::string& where) const {
    BenchOptions::validate(where);
    if (!(soak >= 0) || soak > 1e6) invalid_input("{}soak: {} is not within 0..1000000 minutes", where, soak);
    if (soak_append && soak == 0) invalid_input("{}soak_append: is for a soak; add --soak MINUTES, or leave it out", where);
    if (soak > 0 && plan.size() > 1) invalid_input("{}soak: is of one plan, {} are given; name one --plan", where, plan.size());
  }
};

std::int64_t plan_bytes(const fs::path& plan) {
  std::int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(plan))
    if (entry.path().extension() == ".plan") bytes += static_cast<std::int64_t>(entry.file_size());
  return bytes;
}

/// What is asked: the images of a split, and its captions.
struct Queries {
  std::vector<fs::path> images;
  std::vector<std::string> texts;
};

Queries queries_of(const Dataset& dataset, const std::string& split) {
  Queries queries;
  for (const std::int64_t i : dataset.split(split))
    queries.images.push_back(dataset.image_path(dataset.images[static_cast<std::size_t>(i)].path));
  for (const std::int64_t row : captions_of(dataset, split)) queries.texts.push_back(dataset.pairs[static_cast<std::size_t>(row)].caption);
  return queries;
}

std::vector<BenchModel> models_of(const Options& options) {
  std::vector<BenchModel> models;
  for (const std::string& plan : options.plan)
    models.push_back({options.plan.size() > 1 ? plan : "", engine::open_plan_info(plan).precision, plan_bytes(plan), [plan, &options] {
                        return std::make_shared<PlanEncoder>(plan, options.encoder_options());
                      }});
  return models;
}

/// tower_latency() on the queries' own images and captions.
Json towers_alone(const Options& options, const std::string& plan, const Queries& queries) {
  PlanEncoder encoder(plan, options.encoder_options());
  std::vector<int> batches;
  for (const int batch : {1, 4, 8})
    if (batch <= encoder.max_batch()) batches.push_back(batch);
  QueryStream stream(queries.images, queries.texts, options.top);
  const Tensor pixels = stream.next_images(encoder, batches.back());
  return tower_latency(encoder, pixels.view(), queries.texts, batches);
}

/// The keys of the first plan, and of each in `precisions`.
Json report_of(const Options& options, const std::vector<BenchReport>& measured, const Queries& queries) {
  Json precisions = Json::array();
  for (std::size_t i = 0; i < measured.size(); ++i) {
    Json one = to_json(measured[i]);
    if (options.towers && !measured[i].interrupted) one["towers"] = towers_alone(options, options.plan[i], queries);
    one["plan"] = options.plan[i];
    precisions.push_back(std::move(one));
  }
  Json report = precisions.front();
  report["data"] = options.data;
  report["precisions"] = std::move(precisions);
  return report;
}

SoakReport soak_of(const Options& options, const GallerySnapshot* given, const Queries& queries) {
  PlanEncoder encoder(options.plan.front(), options.encoder_options());
  const GallerySnapshot own = given == nullptr ? gallery_of_images(encoder, queries.images) : GallerySnapshot();
  SoakOptions how;
  how.minutes = options.soak;
  how.append = options.soak_append;
  how.top = options.top;
  return run_soak(encoder, given == nullptr ? own : *given, queries.images, queries.texts, how);
}

void require_outputs(const Options& options) {
  if (!options.markdown.empty()) require_report_output(options.markdown, ReportKind::kMarkdown);
  if (!options.html.empty()) require_report_output(options.html, ReportKind::kHtml);
}

void print_tables(const Json& report) {
  const auto columns = report::each_precision({"", report});
  print(report::text_table(report::deployment_table(columns, report::plan_names(columns), "not measurable")));
  if (report.contains("soak")) print("\n" + report::text_table(report::soak_table(report.at("soak"))));
}

void write_whole(const fs::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void write_files(const Options& options, const Json& report) {
  const std::string footer = fmt::format("Measured by edgeclip {} ({}), {} threads", version(), revision(), thread_count());
  if (!options.markdown.empty()) write_whole(options.markdown, report::deployment_markdown(report, footer));
  if (!options.html.empty()) write_whole(options.html, report::deployment_page(report, footer));
}

class BenchCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "bench"; }
  const char* summary() const override {
    return "Measures a plan as deployed: image file in, ranked answer out";
  }
  const char* example() const override {
    return "bench --plan plan/ --data dataset/ --queries 1000 --batch 1";
  }
  std::vector<std::string> more_examples() const override {
    return {"bench --plan plan/ --plan plan-int8/ --data dataset/ --html deployment.html --markdown deployment.md"};
  }

 protected:
  Json execute(const Options& options) override {
    require(options.plan.empty() ? "" : options.plan.front(), "--plan");
    require(options.data, "--data");
    require_outputs(options);
    const Dataset dataset = open_dataset_with_images(options.data, options.image_root);
    const Queries queries = queries_of(dataset, options.split);
    const bool own_gallery = options.gallery.empty();
    const GallerySnapshot gallery = own_gallery ? GallerySnapshot() : open_gallery(options.gallery);
    const std::vector<BenchReport> measured =
        run_benchmarks(models_of(options), own_gallery ? nullptr : &gallery, queries.images, queries.texts, options);
    Json report = report_of(options, measured, queries);
    bool interrupted = measured.front().interrupted;
    if (options.soak > 0 && !interrupted) {
      const SoakReport soak = soak_of(options, own_gallery ? nullptr : &gallery, queries);
      report["soak"] = to_json(soak);
      interrupted = soak.interrupted;
      if (interrupted) report["interrupted"] = true;
    }
    print_tables(report);
    write_files(options, report);
    if (interrupted)
      throw InterruptedWithReport(fmt::format("interrupted; the report is of the {} queries until then", measured.front().total_queries), report);
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> bench_command() { return std::make_unique<BenchCommand>(); }

}  // namespace edgeclip
