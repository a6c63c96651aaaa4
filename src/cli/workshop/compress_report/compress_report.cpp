#include <algorithm>

#include "base/atomic_file.h"
#include "base/build_info.h"
#include "base/hash.h"
#include "base/output_claim.h"
#include "base/report_file.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/report/html.h"
#include "cli/runtime/system_info.h"
#include "cli/workshop/compress_report/made.h"
#include "cli/workshop/compress_report/plan.h"
#include "cli/workshop/compress_report/result.h"
#include "cli/workshop/workshop_commands.h"
#include "data/dataset/captions.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

using namespace compress_report;

struct Flags {
  std::string about, out, data, image_root, split = "test", title = "Compression";
  int queries = 200, rounds = 3;

  template <class Visitor>
  void fields(Visitor& v) {
    v("about", about, "what the configuration is about; stands on the page");
    v("out", out, "folder to write: report.json, report.html, and steps/ with all that was made");
    v("data", data, "prepared dataset that networks are trained and measured on");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("split", split, "split that is measured");
    v("title", title, "heading of the page");
    v("queries", queries, "queries of each bench");
    v("rounds", rounds, "how often latencies are measured, all rows in turn; the medians count");
  }
  void validate(const std::string& where) const {
    if (queries < 1) invalid_input("{}queries: {} is not at least 1", where, queries);
    if (rounds < 1) invalid_input("{}rounds: {} is not at least 1", where, rounds);
  }
};

struct Options : Flags, Plan {
  template <class Visitor>
  void fields(Visitor& v) {
    Flags::fields(v);
    v("networks", networks, "weights, by name: given, trained or pruned");
    v("rows", rows, "what is compared: networks, and how they are deployed; the first is what others are compared with");
  }
  void validate(const std::string& where) const { Flags::validate(where); }  // Plan's: once all that is needed is named
};

int mean_tokens(const Dataset& dataset, const std::string& split) {
  const std::vector<std::int64_t> captions = captions_of(dataset, split);
  const auto count = static_cast<std::int64_t>(captions.size());
  std::int64_t tokens = 0;
  for (const std::int64_t pair : captions) tokens += caption_length(dataset, pair);
  return std::max<int>(1, static_cast<int>((tokens + count / 2) / std::max<std::int64_t>(1, count)));
}

class CompressReportCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "compress-report"; }
  const char* summary() const override {
    return "Compares every compression by what it costs and keeps: one table, plots, from one configuration";
  }
  const char* example() const override { return "compress-report --config configs/compress/market1501.json --data dataset/ --out report/"; }

  void declare(CLI::App& app) override {
    FlagVisitor visitor(app, given_);
    static_cast<Flags&>(defaults_).fields(visitor);
  }

 protected:
  bool keys_are_options() const override { return false; }

  Json execute(const Options& options) override {
    require(options.out, "--out");
    require(options.data, "--data");
    options.Plan::validate("");
    const fs::path out = fs::absolute(options.out).lexically_normal();
    if (fs::exists(out) && (!fs::is_directory(out) || (!fs::is_empty(out) && !fs::exists(out / "steps"))))
      invalid_input("{}: is something else; name a new folder, or one of an earlier compress-report", options.out);
    const OutputClaim claim(out);
    Steps steps(out / "steps");
    const Place place = place_of(options);
    Maker maker(options, place, steps);
    maker.judge();

    std::vector<RowReports> reports;
    std::vector<MadeRow> first_seeds;
    std::string together = place.machine;
    for (const Row& row : options.rows) {
      RowReports& found = reports.emplace_back();
      found.name = row.name, found.network = row.network, found.precision = row.built_as();
      for (int seed = 0; seed < row.seeds; ++seed) {
        const MadeRow made = maker.make(row, seed);
        found.evaluated.push_back(maker.evaluated(row, made, seed));
        if (seed > 0) continue;
        found.verified = maker.verified(row, made, seed);
        found.profiled = maker.profiled(row, made);
        found.onnx_bytes = made.onnx_bytes;
        found.others = {made.plan->report, made.bundle_report};
        together += made.plan->key;
        first_seeds.push_back(made);
      }
    }
    // At the end and in turn, so that the machine's good and bad moments meet all alike.
    for (int round = 0; round < options.rounds; ++round)
      for (std::size_t i = 0; i < options.rows.size(); ++i)
        reports[i].benched.push_back(maker.measured(options.rows[i], first_seeds[i], hash_text(together), round));
    return written(options, reports);
  }

 private:
  static Place place_of(const Options& options) {
    const Dataset dataset = open_dataset_with_images(options.data, options.image_root);
    Place place;
    const auto absolute = [](const std::string& path) { return path.empty() ? path : fs::absolute(path).lexically_normal().string(); };
    place.data = absolute(options.data), place.image_root = absolute(options.image_root), place.split = options.split;
    std::string identity = hash_file(fs::path(options.data) / "dataset.json");
    for (const ImageItem& image : dataset.images) {
      const fs::path file = dataset.image_path(image.path);
      std::error_code missing;  // whoever needs the image says so
      const auto bytes = fs::file_size(file, missing);
      const auto time = fs::last_write_time(file, missing);
      identity += fmt::format("{} {} {}\n", image.path, bytes, time.time_since_epoch().count());
    }
    place.data_hash = hash_text(identity);
    place.machine = fmt::format("{} {}", system_info().at("cpu").dump(), revision());
    place.tokens = mean_tokens(dataset, options.split);
    place.queries = options.queries;
    return place;
  }

  Json written(const Options& options, const std::vector<RowReports>& reports) const {
    std::vector<Json> rows;
    std::string unverified;
    for (const RowReports& row : reports) {
      rows.push_back(row_result(row));
      if (row.precision == "fp32" && !row.verified.at("passed").get<bool>()) unverified += (unverified.empty() ? "" : ", ") + row.name;
    }
    Json report = {{"data", options.data}, {"split", options.split}, {"rounds", options.rounds}, {"queries", options.queries},
                   {"machine", system_info()}, {"rows", rows}};
    const fs::path out = options.out;
    AtomicFile page(out / "report.html"), json(out / "report.json");
    page.write(report::html_page(options.title, result_page(rows, options.about),
                                 fmt::format("edgeclip {} ({}), {}", version(), revision(), report.at("machine").at("cpu").get<std::string>())));
    Json whole = {{"command", name()}, {"program", "edgeclip"}, {"version", version()}, {"revision", revision()}};
    whole.update(report);
    json.write(whole.dump(2) + "\n");
    page.commit();
    json.commit();
    print(result_text(rows) + fmt::format("{}: the page and report.json beside it written\n", (out / "report.html").string()));
    if (!unverified.empty())
      throw CheckNotMetWithReport(fmt::format("float32 plans that do not agree with LibTorch: {}; see their verify in {}", unverified,
                                              (out / "steps").string()),
                                  report);
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> compress_report_command() { return std::make_unique<CompressReportCommand>(); }

}  // namespace edgeclip
