#include "builder/conform.h"

#include <CLI/CLI.hpp>

#include "base/signals.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"

namespace edgeclip {

namespace {

struct Options {
  std::vector<std::string> tests;
  double rtol = 1e-3, atol = 1e-6;

  template <class Visitor>
  void fields(Visitor& v) {
    v("tests", tests, "folders: tests, or what holds tests");
    v("rtol", rtol, "most a result may differ, as a share of the reference value");
    v("atol", atol, "and added to that");
  }
  void validate(const std::string& where) const {
    for (const double value : {rtol, atol})
      if (!(value >= 0)) invalid_input("{}rtol, atol: {} is not at least 0", where, value);
  }
};

const char* status_word(builder::ConformStatus status) {
  switch (status) {
    case builder::ConformStatus::kPassed:
      return "passed";
    case builder::ConformStatus::kFailed:
      return "failed";
    default:
      return "unsupported";
  }
}

class ConformCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "conform"; }
  const char* summary() const override { return "Runs ONNX standard test folders through the engine"; }
  const char* example() const override { return "conform onnx/backend/test/data/node"; }

  void declare(CLI::App& app) override {
    app.add_option_function<std::vector<std::string>>(
        "DIR", [this](const std::vector<std::string>& tests) { given_["tests"] = tests; },
        "folders with model.onnx and test_data_set_*/ (or set_*/), or what holds such folders");
    app.add_option_function<double>(
        "--rtol", [this](double value) { given_["rtol"] = value; },
        "most a result may differ, as a share of the reference value");
    app.add_option_function<double>(
        "--atol", [this](double value) { given_["atol"] = value; }, "and added to that");
  }

 protected:
  Json execute(const Options& options) override {
    if (options.tests.empty())
      invalid_input("name a DIR with tests; see \"{} conform --help\"", program_name());
    std::vector<std::filesystem::path> folders;
    for (const std::string& test : options.tests)
      for (const auto& folder : builder::find_conform_cases(test)) folders.push_back(folder);
    std::map<std::string, int> counts = {{"passed", 0}, {"failed", 0}, {"unsupported", 0}};
    Json cases = Json::array();
    for (const auto& folder : folders) {
      throw_if_interrupted();
      const builder::ConformCase one = builder::run_conform_case(folder, {options.rtol, options.atol});
      const char* status = status_word(one.status);
      ++counts[status];
      cases.push_back({{"name", one.name}, {"status", status}, {"reason", one.reason}});
      if (one.status != builder::ConformStatus::kPassed)
        print(fmt::format("{:<12} {}: {}\n", status, one.name, one.reason));
    }
    print(fmt::format("{} passed, {} failed, {} unsupported\n", counts["passed"], counts["failed"],
                      counts["unsupported"]));
    const Json report = {{"passed", counts["passed"]},
                         {"failed", counts["failed"]},
                         {"unsupported", counts["unsupported"]},
                         {"cases", cases}};
    if (counts["failed"] > 0)
      throw CheckNotMetWithReport(fmt::format("{} of {} tests failed", counts["failed"], folders.size()),
                                  report);
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> conform_command() { return std::make_unique<ConformCommand>(); }

}  // namespace edgeclip
