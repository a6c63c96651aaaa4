#include <CLI/CLI.hpp>

#include <algorithm>

#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/file.h"
#include "base/report_file.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/report/html.h"
#include "cli/workshop/report/json_section.h"
#include "cli/workshop/report/picture_section.h"
#include "cli/workshop/report/run_section.h"
#include "cli/workshop/workshop_commands.h"
#include "data/image/media.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options {
  std::string out;
  std::string title = "edgeclip report";
  std::vector<std::string> paths;

  template <class Visitor>
  void fields(Visitor& v) {
    v("out", out, "HTML file to write");
    v("title", title, "heading of the page");
    v("paths", paths, "run folders, JSON reports, tables and pictures, in the order in which they are shown");
  }
};

/// The page's sections in the order of paths; several runs are compared where the first stands; all reports of
/// evaluate share one table, where the first stands, and so do those of bench.
std::string sections_of(const std::vector<std::string>& paths) {
  std::vector<report::NamedReport> evaluations, benches;
  std::vector<report::RunData> runs;
  std::vector<std::function<std::string()>> sections;
  for (const fs::path path : paths) {
    if (fs::is_directory(path)) {
      require_file(path / "metrics.jsonl", "a run's log");
      if (runs.empty()) sections.push_back([&runs] { return report::comparison_section(runs); });
      sections.push_back([&runs, i = runs.size()] { return report::run_section(runs[i]); });
      runs.push_back(report::read_run(path));
    } else if (is_image_name(path)) {
      sections.push_back([path] { return report::picture_section(path); });
    } else {
      const report::NamedReport named{path, read_json(path)};
      const Json& json = named.second;
      const Json command = json.is_object() && json.contains("command") ? json.at("command") : Json(nullptr);
      if (command == "evaluate") {
        if (evaluations.empty())
          sections.push_back([&evaluations] { return report::evaluate_section(evaluations); });
        evaluations.push_back(named);
      } else if (command == "bench") {
        if (benches.empty()) sections.push_back([&] { return report::bench_section(benches, evaluations); });
        benches.push_back(named);
      } else if (command == "search") {
        sections.push_back([named] { return report::search_section(named); });
      } else if (json.is_array() || command == "table" || (json.is_object() && json.contains("rows"))) {
        sections.push_back([named] { return report::table_section(named); });
      } else if (command.is_string()) {
        sections.push_back([named] { return report::other_section(named); });
      } else {
        invalid_input(
            "{}: is no report (it has no \"command\" and no \"rows\"); name a file that --json wrote",
            path.string());
      }
    }
  }
  std::string html;
  for (const auto& section : sections) html += section();
  return html;
}

class ReportCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "report"; }
  const char* summary() const override {
    return "Puts runs, JSON reports and pictures on one self-contained page";
  }
  const char* example() const override {
    return "report --out report.html run/ evaluate.json bench.json grid.png";
  }

  void declare(CLI::App& app) override {
    const auto text = [this](const char* key) {
      return [this, key](const std::string& v) { given_[key] = v; };
    };
    app.add_option_function<std::string>("--out", text("out"), "HTML file to write")->type_name("F.html");
    app.add_option_function<std::string>("--title", text("title"), "heading of the page")->type_name("TEXT");
    app.add_option_function<std::vector<std::string>>(
        "PATH", [this](const std::vector<std::string>& v) { given_["paths"] = v; },
        "run folders, JSON reports, tables ({\"title\",\"rows\":[{...}]}), PNG or JPEG pictures");
  }

 protected:
  Json execute(const Options& options) override {
    require(options.out, "--out");
    if (options.paths.empty())
      invalid_input("nothing to show: name run folders, JSON reports or pictures after --out F.html");
    require_report_output(options.out, ReportKind::kHtml, options.paths);
    const std::string page = report::html_page(options.title, sections_of(options.paths),
                                               fmt::format("edgeclip {} ({})", version(), revision()));
    AtomicFile file(options.out);
    file.write(page);
    file.commit();
    print(fmt::format("{}: report written ({} parts)\n", options.out, options.paths.size()));
    return {{"out", options.out}, {"bytes", page.size()}, {"paths", options.paths}};
  }
};

}  // namespace

std::unique_ptr<Command> report_command() { return std::make_unique<ReportCommand>(); }

}  // namespace edgeclip
