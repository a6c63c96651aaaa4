#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <new>
#include <system_error>

#include "base/build_info.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/out_of_memory.h"
#include "base/report_file.h"
#include "base/signals.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "cli/runtime/command.h"

namespace edgeclip {

namespace {

const char* g_program = "edgeclip";
bool g_stdout_reserved = false;  // by --json -
bool g_reader_gone = false;

void write_stdout(const std::string& text) {
  if (g_reader_gone) return;
  const bool ok = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  // "| head": the reader has what it wanted, files are still to be written; or the terminal has gone.
  if (!ok && (errno == EPIPE || interrupted())) {
    g_reader_gone = true;
    return;
  }
  if (!ok) throw_io_error("standard output", "cannot be written", errno, "redirect it elsewhere");
}

std::string version_text(const char* program) {
  return fmt::format("{} {} (revision {}; {})", program, version(), revision(), build_description());
}

/// Messages hold one line whatever they quote: a file name or an exception of a library may hold several.
std::string one_line(std::string text, bool first_line_only = false) {
  if (first_line_only) text = text.substr(0, text.find('\n'));
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

constexpr const char* kOutOfMemory = "error: out of memory; use a smaller batch or fewer threads";

int fail(const char* program, const std::string& message, int code) {
  std::fprintf(stderr, "%s: %s\n", program, message.c_str());
  return code;
}

void declare_common(CLI::App& app, CommonOptions& common) {
  app.add_option("--config", common.config, "options from a JSON file; repeatable, the last wins")
      ->type_name("FILE.json")
      ->allow_extra_args(false)
      ->group("Common options");
  app.add_option("--set", common.set, "changes one option; repeatable")
      ->type_name("key.path=value")
      ->allow_extra_args(false)
      ->group("Common options");
  app.add_flag("--print-config", common.print_config, "prints the options as resolved (JSON) and ends")
      ->group("Common options");
  app.add_option("--json", common.json, "machine-readable report; with - stdout carries nothing else")
      ->type_name("FILE|-")
      ->group("Common options");
  app.add_option("--threads", common.threads, "CPU threads; 0: all that this process may use")
      ->check(CLI::Range(0, 4096))
      ->type_name("N")
      ->group("Common options");
  app.add_flag("--quiet", common.quiet, "no progress and no messages but warnings")->group("Common options");
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// Names of commands that have the option.
std::vector<std::string> commands_with(const CLI::App& app, const std::string& option) {
  std::vector<std::string> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (const auto names = option_names(*command); std::count(names.begin(), names.end(), option) > 0)
      commands.push_back(command->get_name());
  return commands;
}

/// What CLI11 could not parse, in one line with a remedy.
std::string usage_message(const CLI::ParseError& error, const CLI::App& app, const CLI::App* sub,
                          const std::string& see) {
  std::string message = one_line(error.what());
  if (sub != nullptr && dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const auto extras = sub->remaining();
    if (!extras.empty()) {
      const std::string& word = extras.front();
      const bool is_option = word.rfind("-", 0) == 0;
      message =
          fmt::format("{} \"{}\"", is_option ? "unknown option" : "unexpected argument", one_line(word));
      const std::string option = is_option ? word.substr(0, word.find('=')) : "";
      const std::vector<std::string> others = commands_with(app, option);
      const std::string near = is_option ? nearest_name(option, option_names(*sub)) : "";
      if (!others.empty())
        message += fmt::format("; it is one of {}", fmt::join(others, ", "));
      else if (!near.empty())
        message += fmt::format("; did you mean {}?", near);
    }
  }
  return fmt::format("{}; see \"{} --help\"", message, see);
}

/// Every text of the options: the paths are among them.
void collect_texts(const Json& json, std::vector<std::string>& texts) {
  if (json.is_string()) texts.push_back(json.get<std::string>());
  if (json.is_structured())
    for (const auto& item : json) collect_texts(item, texts);
}

/// That --json FILE takes nothing from the user: neither an input of this command nor what is no report.
void require_report(const Command& command, const CommonOptions& common) {
  std::error_code error;
  std::vector<std::string> inputs = common.config;
  if (std::filesystem::is_regular_file(common.json, error)) collect_texts(command.resolved(common), inputs);
  try {
    require_report_output(common.json, ReportKind::kJson, inputs);
  } catch (const InvalidInput& e) {
    throw InvalidInput(std::string("--json ") + e.what());
  }
}

/// Runs the command of a parsed command line; everything it throws passes through.
void run_command(Command& command, const CommonOptions& common, const char* program,
                 const std::function<void()>& at_start) {
  init_logging(common.quiet);
  if (common.print_config) {
    write_stdout(json_text(command.resolved(common)) + "\n");
    return;
  }
  set_thread_count(common.threads);
  if (at_start) at_start();
  const bool to_file = !common.json.empty() && common.json != "-";
  if (to_file) require_report(command, common);
  g_stdout_reserved = common.json == "-";

  const auto write_report = [&](const Json& result) {
    if (common.json.empty() || result.is_null()) return;
    Json report = {{"command", command.name()}, {"program", program},           {"version", version()},
                   {"revision", revision()},    {"build", build_description()}, {"threads", thread_count()}};
    report.update(result);
    if (to_file)
      write_json(common.json, report);
    else
      write_stdout(json_text(report) + "\n");
  };
  throw_if_interrupted();
  try {
    write_report(command.run(common));
  } catch (const CheckNotMetWithReport& e) {
    write_report(e.report);
    throw;
  } catch (const InterruptedWithReport& e) {
    write_report(e.report);
    throw;
  }
}

int parse_and_run(int argc, char** argv, const char* program, const CommandList& commands,
                  const std::function<void()>& at_start) {
  CLI::App app("Finds people in surveillance video by a sentence.", program);
  app.get_formatter()->column_width(36);
  app.set_version_flag("--version", version_text(program));
  app.require_subcommand(1);
  CommonOptions common;
  std::vector<std::string> names;
  for (const auto& command : commands) {
    names.emplace_back(command->name());
    CLI::App* sub = app.add_subcommand(command->name(), command->summary());
    command->declare(*sub);
    declare_common(*sub, common);
    sub->set_version_flag("--version", version_text(program))->group("Common options");
    sub->footer([&command, program] {
      std::string text =
          fmt::format("{}\nExample:\n  {} {}", command->options_help(), program, command->example());
      for (const std::string& example : command->more_examples())
        text += fmt::format("\n  {} {}", program, example);
      return text;
    });
  }
  // After the subcommands, which would inherit it.
  app.footer(fmt::format("\"{} COMMAND --help\" explains a command and shows an example.", program));
  if (argc <= 1) {
    std::fputs(app.help().c_str(), stderr);
    return kInvalidInput;
  }
  const std::string first = argv[1];
  const auto chosen = std::find(names.begin(), names.end(), first);
  if (chosen == names.end() && first.rfind("-", 0) != 0) {
    const std::string word = find_invalid_utf8(first) == std::string::npos ? one_line(first) : "?";
    invalid_input("unknown command \"{}\"{}; see \"{} --help\"", word, did_you_mean(word, names), program);
  }
  const CLI::App* sub = chosen == names.end() ? nullptr : app.get_subcommand(first);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    write_stdout(app.help());
    return kDone;
  } catch (const CLI::CallForVersion& e) {
    write_stdout(std::string(e.what()) + "\n");
    return kDone;
  } catch (const CLI::ParseError& e) {
    throw InvalidInput(usage_message(e, app, sub, sub == nullptr ? program : program + (" " + first)));
  }
  run_command(*commands[static_cast<std::size_t>(chosen - names.begin())], common, program, at_start);
  return kDone;
}

}  // namespace

const char* program_name() { return g_program; }

void print(const std::string& text) {
  if (!g_stdout_reserved) write_stdout(text);
}

int run_program(int argc, char** argv, const char* program, CommandList commands,
                const std::function<void()>& at_start) {
  install_signal_handlers();
  install_out_of_memory_handlers();
  g_program = program;
  g_stdout_reserved = false;
  try {
    return parse_and_run(argc, argv, program, commands, at_start);
  } catch (const InvalidInput& e) {
    return fail(program, "error: " + one_line(e.what()), kInvalidInput);
  } catch (const MachineFault& e) {
    return fail(program, "error: " + one_line(e.what()), kMachineFault);
  } catch (const std::filesystem::filesystem_error& e) {
    return fail(program,
                fmt::format("error: {}: {}; check the path, its permissions and the free space",
                            e.path1().string(), e.code().message()),
                is_machine_error(e.code().value()) ? kMachineFault : kInvalidInput);
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::resource_unavailable_try_again)
      return fail(program, "error: no more threads can be started here; use a smaller --threads",
                  kMachineFault);
    if (is_machine_error(e.code().value()))
      return fail(program, "error: " + one_line(e.what()), kMachineFault);
    return fail(program, "internal error (please report it with this command line): " + one_line(e.what()),
                kInternalError);
  } catch (const CheckNotMet& e) {
    return fail(program, "not met: " + one_line(e.what()), kCheckNotMet);
  } catch (const Interrupted& e) {
    return fail(program, one_line(e.what()), kInterrupted);
  } catch (const std::bad_alloc&) {
    return fail(program, kOutOfMemory, kMachineFault);
  } catch (const std::exception& e) {
    if (says_out_of_memory(e.what())) return fail(program, kOutOfMemory, kMachineFault);
    return fail(program,
                "internal error (please report it with this command line): " + one_line(e.what(), true),
                kInternalError);
  } catch (...) {
    return fail(program, "internal error (please report it with this command line): unknown exception",
                kInternalError);
  }
}

}  // namespace edgeclip
