#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/runtime/options_command.h"

namespace edgeclip {

namespace {

/// "memory_pool_mb" -> "--memory-pool-mb".
std::string flag_name(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

/// Puts what the user gives under its key.
template <class T>
std::function<void(const T&)> store(Json& given, const char* key) {
  return [&given, key](const T& value) { given[key] = value; };
}

template <class T>
void declare_number(CLI::App& app, Json& given, const char* key, T value, const char* doc, const char* type) {
  app.add_option_function<T>(flag_name(key), store<T>(given, key), doc)
      ->type_name(type)
      ->default_str(fmt::format("{}", value));
}

}  // namespace

void FlagVisitor::declare(const char* key, bool value, const char* doc, Choices) {
  // What is on by default is offered as what switches it off.
  const std::string flag = flag_name(key);
  app_.add_flag_function(
      value ? "--no-" + flag.substr(2) : flag,
      [&given = given_, key, value](std::int64_t) { given[key] = !value; },
      value ? std::string("off: ") + doc : doc);
}

void FlagVisitor::declare(const char* key, int value, const char* doc, Choices) {
  declare_number(app_, given_, key, value, doc, "N");
}
void FlagVisitor::declare(const char* key, std::int64_t value, const char* doc, Choices) {
  declare_number(app_, given_, key, value, doc, "N");
}
void FlagVisitor::declare(const char* key, std::uint64_t value, const char* doc, Choices) {
  declare_number(app_, given_, key, value, doc, "N");
}
void FlagVisitor::declare(const char* key, double value, const char* doc, Choices) {
  declare_number(app_, given_, key, value, doc, "X");
}

void FlagVisitor::declare(const char* key, const std::string& value, const char* doc, Choices choices) {
  std::string names;
  for (const char* choice : choices) names += (names.empty() ? "" : "|") + std::string(choice);
  auto* option = app_.add_option_function<std::string>(flag_name(key), store<std::string>(given_, key), doc);
  option->type_name(names.empty() ? "TEXT" : names);
  if (!value.empty()) option->default_str(value);
}

// One value per use, or numbers with commas: a greedy list would swallow what follows it.
void FlagVisitor::declare(const char* key, const std::vector<std::string>&, const char* doc, Choices) {
  using Texts = std::vector<std::string>;
  app_.add_option_function<Texts>(flag_name(key), store<Texts>(given_, key), doc)
      ->allow_extra_args(false)
      ->type_name("TEXT");
}

void FlagVisitor::declare(const char* key, const std::vector<int>& value, const char* doc, Choices) {
  std::string text;
  for (const int v : value) text += (text.empty() ? "" : ",") + std::to_string(v);
  app_.add_option_function<std::vector<int>>(flag_name(key), store<std::vector<int>>(given_, key), doc)
      ->allow_extra_args(false)
      ->delimiter(',')
      ->type_name("N,N,...")
      ->default_str(text);
}

}  // namespace edgeclip
