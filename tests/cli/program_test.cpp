#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <new>

#include "base/build_info.h"
#include "base/file.h"
#include "base/signals.h"
#include "base/threads.h"
#include "cli/runtime/command.h"
#include "cli/runtime/options_command.h"
#include "support/support.h"

namespace edgeclip {
namespace {

struct ProbeOptions {
  std::string text;
  std::vector<std::string> names;
  std::vector<int> batches = {1, 4};
  std::string mode = "fast";
  int count = 3;
  bool check = true;

  template <class Visitor>
  void fields(Visitor& v) {
    v("text", text, "a text");
    v("names", names, "some names");
    v("batches", batches, "batch sizes");
    v("mode", mode, "how", {"fast", "exact"});
    v("count", count, "how often");
    v("check", check, "look again");
  }
};

using Body = std::function<Json(const ProbeOptions&)>;

class ProbeCommand : public OptionsCommand<ProbeOptions> {
 public:
  explicit ProbeCommand(Body body) : body_(std::move(body)) {}
  const char* name() const override { return "probe"; }
  const char* summary() const override { return "Probes"; }
  const char* example() const override { return "probe --text hello"; }

 protected:
  Json execute(const ProbeOptions& options) override { return body_(options); }

 private:
  Body body_;
};

struct Outcome {
  int code = -1;
  std::string out, err;
  std::size_t error_lines() const {
    return static_cast<std::size_t>(std::count(err.begin(), err.end(), '\n'));
  }
};

Outcome run(
    std::vector<std::string> args, const Body& body = [](const ProbeOptions&) { return Json::object(); }) {
  args.insert(args.begin(), "edgeclip");
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  CommandList commands;
  commands.push_back(std::make_unique<ProbeCommand>(body));
  Outcome outcome;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  outcome.code = run_program(static_cast<int>(args.size()), argv.data(), "edgeclip", std::move(commands));
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

/// One line on stderr, exit code as said, nothing on stdout.
void expect_failure(const Outcome& outcome, int code, const std::string& part) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  EXPECT_EQ(outcome.error_lines(), 1u) << outcome.err;
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

template <class Error>
Outcome run_throwing(const Error& error) {
  return run({"probe"}, [&](const ProbeOptions&) -> Json { throw error; });
}

TEST(Program, NoArgumentsAreAnErrorThatShowsTheCommands) {
  const Outcome outcome = run({});
  EXPECT_EQ(outcome.code, kInvalidInput);
  EXPECT_NE(outcome.err.find("probe"), std::string::npos);
  EXPECT_EQ(outcome.out, "");
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.out, outcome.err);
  EXPECT_EQ(help.err, "");
}

TEST(Program, VersionNamesRevisionAndBuild) {
  for (const auto& args : {std::vector<std::string>{"--version"}, {"probe", "--version"}}) {
    const Outcome outcome = run(args);
    EXPECT_EQ(outcome.code, 0);
    for (const char* part : {version(), revision(), build_description()})
      EXPECT_NE(outcome.out.find(part), std::string::npos) << outcome.out;
  }
}

TEST(Program, HelpShowsTheExampleAndEveryOption) {
  const Outcome outcome = run({"probe", "--help"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* part :
       {"Example:\n  edgeclip probe --text hello", "--print-config", "--json", "--threads", "--quiet",
        "--config", "--set", "--batches N,N,...=1,4", "--mode fast|exact=fast", "--no-check"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << "lacks " << part << ":\n" << outcome.out;
}

TEST(Program, UnknownCommandNamesTheNearest) {
  expect_failure(run({"prob"}), kInvalidInput, "unknown command \"prob\"; did you mean \"probe\"?");
  expect_failure(run({"a\nb"}), kInvalidInput, "unknown command");
  expect_failure(run({"\xff\xfe"}), kInvalidInput, "unknown command");
}

TEST(Program, UsageErrorsAreOneLineWithARemedy) {
  const std::string remedy = "see \"edgeclip probe --help\"";
  expect_failure(run({"probe", "--cout", "3"}), kInvalidInput,
                 "unknown option \"--cout\"; did you mean --count?");
  expect_failure(run({"probe", "--cout", "3"}), kInvalidInput, remedy);
  expect_failure(run({"probe", "stray"}), kInvalidInput, "unexpected argument \"stray\"; " + remedy);
  expect_failure(run({"probe", "--count", "many"}), kInvalidInput, remedy);
  expect_failure(run({"probe", "--count"}), kInvalidInput, remedy);
  expect_failure(run({"probe", "--threads", "-1"}), kInvalidInput, remedy);
  expect_failure(run({"--unknown"}), kInvalidInput, "--help");
}

TEST(Program, EveryErrorHasItsExitCode) {
  expect_failure(run_throwing(InvalidInput("f.json: bad\nvalue")), kInvalidInput,
                 "edgeclip: error: f.json: bad value\n");
  expect_failure(run_throwing(CheckNotMet("too far")), kCheckNotMet, "too far");
  expect_failure(run_throwing(Interrupted("interrupted")), kInterrupted, "interrupted");
  expect_failure(run_throwing(std::bad_alloc()), kMachineFault, "out of memory");
  expect_failure(run_throwing(std::runtime_error("first\nsecond")), kInternalError, "first");
  expect_failure(run_throwing(InternalError("promise broken")), kInternalError, "promise broken");
  expect_failure(run_throwing(std::filesystem::filesystem_error(
                     "x", "some/file", std::make_error_code(std::errc::no_space_on_device))),
                 kMachineFault, "some/file: No space left on device");
  expect_failure(run_throwing(std::filesystem::filesystem_error(
                     "x", "some/file", std::make_error_code(std::errc::permission_denied))),
                 kInvalidInput, "some/file: Permission denied");
  expect_failure(run_throwing(MachineFault("f: cannot be read: Input/output error")), kMachineFault,
                 "f: cannot");
  expect_failure(run_throwing(std::system_error(EAGAIN, std::generic_category())), kMachineFault, "threads");
  expect_failure(run_throwing(std::runtime_error("DefaultCPUAllocator: can't allocate memory")),
                 kMachineFault, "out of memory");
}

TEST(Program, ReportCarriesVersionAndCommand) {
  const test::TempDir dir;
  const std::string file = (dir / "report.json").string();
  const Body body = [](const ProbeOptions&) -> Json {
    print("for people\n");
    return {{"answer", 42}};
  };
  const Outcome to_file = run({"probe", "--json", file, "--threads", "1"}, body);
  EXPECT_EQ(to_file.code, 0) << to_file.err;
  EXPECT_EQ(to_file.out, "for people\n");
  const Json report = read_json(file);
  EXPECT_EQ(report.at("answer"), 42);
  EXPECT_EQ(report.at("command"), "probe");
  EXPECT_EQ(report.at("version"), version());
  EXPECT_EQ(report.at("revision"), revision());
  EXPECT_EQ(report.at("threads"), 1);

  const Outcome to_stdout = run({"probe", "--json", "-"}, body);
  EXPECT_EQ(Json::parse(to_stdout.out).at("answer"), 42);  // nothing but JSON
}

TEST(Program, ReportOfACheckThatWasNotMetIsWritten) {
  const test::TempDir dir;
  const Outcome outcome =
      run({"probe", "--json", (dir / "r.json").string()}, [](const ProbeOptions&) -> Json {
        throw CheckNotMetWithReport("outside", {{"passed", false}});
      });
  EXPECT_EQ(outcome.code, kCheckNotMet);
  EXPECT_EQ(read_json(dir / "r.json").at("passed"), false);
}

TEST(Program, ReportPathIsCheckedBeforeTheWork) {
  const test::TempDir dir;
  test::write_text(dir / "file", "x");
  bool ran = false;
  const Body body = [&](const ProbeOptions&) {
    ran = true;
    return Json::object();
  };
  expect_failure(run({"probe", "--json", (dir / "file").string() + "/report.json"}, body), kInvalidInput,
                 "cannot be created");
  expect_failure(run({"probe", "--json", dir.path().string()}, body), kInvalidInput, "is a folder");
  EXPECT_FALSE(ran);
}

TEST(Program, ThreadsReachTheProgram) {
  int seen = 0;
  run({"probe", "--threads", "3"}, [&](const ProbeOptions&) {
    seen = thread_count();
    return Json::object();
  });
  EXPECT_EQ(seen, 3);
  set_thread_count(0);
}

TEST(OptionsCommand, HelpListsKeysThatAreNoOptions) {
  class Keys : public ProbeCommand {
   public:
    using ProbeCommand::ProbeCommand;
    bool keys_are_options() const override { return false; }
  };
  const std::string help = Keys(Body()).options_help();
  EXPECT_NE(help.find("batches = [1,4]"), std::string::npos) << help;
  EXPECT_NE(help.find("how [fast|exact]"), std::string::npos) << help;
}

TEST(OptionsCommand, LaterSourcesWin) {
  const test::TempDir dir;
  test::write_text(dir / "c.json", R"({"count": 10, "mode": "exact", "text": "file"})");
  const Outcome outcome =
      run({"probe", "--config", (dir / "c.json").string(), "--set", "count=11", "--set", "text=set", "--text",
           "flag", "--no-check", "--batches", "1,8", "--print-config"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json config = Json::parse(outcome.out);
  EXPECT_EQ(config.at("count"), 11);
  EXPECT_EQ(config.at("mode"), "exact");
  EXPECT_EQ(config.at("text"), "flag");
  EXPECT_EQ(config.at("check"), false);
  EXPECT_EQ(config.at("batches"), Json::parse("[1,8]"));
}

TEST(OptionsCommand, PrintedConfigReadsBack) {
  const test::TempDir dir;
  const Outcome first = run({"probe", "--count", "7", "--print-config"});
  test::write_text(dir / "c.json", first.out);
  const Outcome second = run({"probe", "--config", (dir / "c.json").string(), "--print-config"});
  EXPECT_EQ(second.out, first.out);
}

TEST(OptionsCommand, WhatFollowsFromOptionsIsPrinted) {
  class Settled : public ProbeCommand {
   public:
    using ProbeCommand::ProbeCommand;

   protected:
    void settle(ProbeOptions& options, const CommonOptions&) const override { options.count *= 2; }
  };
  const Settled command{Body()};
  EXPECT_EQ(command.resolved(CommonOptions())["count"], 6);
}

TEST(OptionsCommand, ListOptionsTakeOneValuePerUse) {
  const Outcome outcome = run({"probe", "--names", "a, b", "--names", "c", "--print-config"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out).at("names"), Json::parse(R"(["a, b", "c"])"));
  expect_failure(run({"probe", "--names", "a", "stray"}), kInvalidInput, "unexpected argument \"stray\"");
}

TEST(OptionsCommand, BadValuesAreUserErrors) {
  const test::TempDir dir;
  test::write_text(dir / "c.json", R"({"cuont": 10})");
  expect_failure(run({"probe", "--config", (dir / "c.json").string()}), kInvalidInput,
                 "did you mean \"count\"");
  expect_failure(run({"probe", "--set", "count=many"}), kInvalidInput, "expected an integer");
  expect_failure(run({"probe", "--mode", "fsat"}), kInvalidInput, "did you mean \"fast\"");
  expect_failure(run({"probe", "--config", (dir / "none.json").string()}), kInvalidInput, "none.json");
}

}  // namespace
}  // namespace edgeclip
