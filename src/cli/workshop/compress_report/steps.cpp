#include "cli/workshop/compress_report/steps.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>

#include "base/build_info.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/measure.h"
#include "base/remove_tree.h"
#include "base/threads.h"
#include "cli/workshop/compress_report/subprocess.h"

namespace edgeclip::compress_report {

namespace fs = std::filesystem;

namespace {

/// How the command line names what it makes, and takes up what an interrupted one left.
std::vector<std::string> output_of(Call::Makes makes, const fs::path& out) {
  switch (makes) {
    case Call::Makes::kNothing:
      return {};
    case Call::Makes::kArtifact:
      return {"--out", out.string(), "--overwrite"};
    case Call::Makes::kRun:
      if (!fs::exists(out / "run.json")) remove_tree(out.c_str());  // nothing was saved yet
      return {"--out", out.string(), "--resume", "latest"};
    case Call::Makes::kPruned:
      return fs::exists(out.string() + ".recovery/prune.json") ? std::vector<std::string>{"--out", out.string(), "--resume"}
                                                               : std::vector<std::string>{"--out", out.string(), "--overwrite"};
  }
  return {};
}

/// The last line that says something, without the program's name.
std::string last_line(const fs::path& log) {
  std::ifstream in(log);
  std::string last = "it says nothing", line;
  while (std::getline(in, line))
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  for (const char* start : {"edgeclip: ", "error: ", "not met: "})
    if (last.rfind(start, 0) == 0) last.erase(0, std::string(start).size());
  return last;
}

[[noreturn]] void fail(int status, const std::string& what, const std::string& command, const fs::path& log) {
  const std::string message = fmt::format("{}: {}: {}", what, command, last_line(log));
  switch (status) {
    case kInvalidInput:
      throw InvalidInput(message);
    case kCheckNotMet:
      throw CheckNotMet(message);
    case kMachineFault:
      throw MachineFault(message);
    case kInterrupted:
      throw Interrupted(message);
    default:
      throw InternalError(message);
  }
}

/// A report that can be read, and what it is about.
bool is_done(const Step& step, const Call& call) {
  const fs::path report = step.folder / "report.json";
  if (!fs::exists(report) || (call.makes != Call::Makes::kNothing && !fs::exists(step.out()))) return false;
  try {
    return read_json(report).is_object();
  } catch (const InvalidInput&) {
    return false;
  }
}

/// What --out is, and what a pruning has beside it.
std::vector<fs::path> leftovers(const Step& step) { return {step.out(), step.out().string() + ".recovery"}; }
bool has_leftovers(const Step& step) {
  const std::vector<fs::path> places = leftovers(step);
  return std::any_of(places.begin(), places.end(), [](const fs::path& place) { return fs::exists(place); });
}
void remove_leftovers(const Step& step) {
  for (const fs::path& place : leftovers(step)) remove_tree(place.c_str());
}

/// A pruning that was cut off between its end and its report: its checkpoint, which appears whole, is there, and nothing that it would
/// go on from.
bool ended_without_report(const Step& step, const Call& call) {
  return call.makes == Call::Makes::kPruned && fs::exists(step.out() / "config.json") && !fs::exists(step.out().string() + ".recovery");
}

std::vector<std::string> arguments_of(const Call& call, const Step& step) {
  std::vector<std::string> arguments = {call.command};
  const std::vector<std::string> output = output_of(call.makes, step.out());
  arguments.insert(arguments.end(), output.begin(), output.end());
  const bool goes_on = call.makes == Call::Makes::kPruned && output.back() == "--resume";
  if (!goes_on)
    for (const Argument& argument : call.arguments) arguments.push_back(argument.text);
  for (const std::string& argument :
       {std::string("--json"), (step.folder / "report.part.json").string(), std::string("--threads"), std::to_string(thread_count())})
    arguments.push_back(argument);
  return arguments;
}

}  // namespace

std::string key_of(const Call& call) {
  Json identity = {version(), call.command, call.variant, thread_count()};
  for (const Argument& argument : call.arguments) identity.push_back(argument.identity);
  return call.command + "-" + hash_text(identity.dump()).substr(0, 16);
}

Argument Argument::contents(const fs::path& path) {
  if (!fs::is_directory(path)) return {path.string(), hash_file(path)};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::string identity;
  for (const fs::path& file : files) identity += fs::relative(file, path).string() + '\n' + hash_file(file) + '\n';
  return {path.string(), hash_text(identity)};
}

void Steps::check(const Call& call, const std::string& what) {
  std::vector<std::string> arguments = {call.command};
  for (const Argument& argument : call.arguments) arguments.push_back(argument.text);
  fs::create_directories(folder_);
  const fs::path log = folder_ / "check.log";
  const int status = run_program(own_program(), arguments, log);
  if (status != kDone) fail(status, what, call.command, log);
  fs::remove(log);
}

const Step& Steps::run(const Call& call, const std::string& what) {
  const std::string key = key_of(call);
  if (const auto known = steps_.find(key); known != steps_.end()) return known->second;
  Step step{key, folder_ / key, {}};
  const fs::path report = step.folder / "report.json", unfinished = step.folder / "report.part.json", log = step.folder / "log";
  if (!is_done(step, call) && ended_without_report(step, call)) {
    spdlog::info("{}: {} had ended, but for its report ({})", what, call.command, log.string());
    write_json(report, {{"command", call.command}, {"out", step.out().string()}});  // what others ask for is the checkpoint
  }
  if (!is_done(step, call)) {
    fs::create_directories(step.folder);
    spdlog::info("{}: {} ({})", what, call.command, log.string());
    const Stopwatch watch;
    const bool begun = call.makes != Call::Makes::kNothing && has_leftovers(step);
    int status = run_program(call.on_device ? edge_program() : own_program(), arguments_of(call, step), log);
    // What an earlier call left may lie where it cannot go on: its folder, or a dataset, was moved.
    if (status == kInvalidInput && begun) {
      remove_leftovers(step);
      status = run_program(own_program(), arguments_of(call, step), log);
    }
    if (status != kDone && !(status == kCheckNotMet && call.may_fall_short)) {
      std::error_code ignored;
      fs::remove(unfinished, ignored);
      // What fell short is not to be taken for one that had ended.
      if (status == kCheckNotMet && call.makes == Call::Makes::kPruned) remove_leftovers(step);
      fail(status, what, call.command, log);
    }
    spdlog::info("{}: {} took {:.1f} s", what, call.command, watch.seconds());
    fs::rename(unfinished, report);
  }
  step.report = read_json(report);
  return steps_.emplace(key, std::move(step)).first->second;
}

}  // namespace edgeclip::compress_report
