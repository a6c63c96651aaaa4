#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "base/options.h"
#include "cli/runtime/command.h"

namespace edgeclip {

/// "memory_pool_mb" -> "--memory-pool-mb".
inline std::string flag_name(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

/// Declares a command-line option for every field of an option struct but nested structs (reached through
/// --set); values given by the user are collected in `given` under the field's key.
class FlagVisitor {
 public:
  /// given must outlive app's parsing.
  FlagVisitor(CLI::App& app, Json& given) : app_(app), given_(given) {}

  template <class T>
  void operator()(const char* key, T& value, const char* doc, Choices choices = {}) {
    const std::string flag = flag_name(key);
    const auto store = [given = &given_, key](const auto& v) { (*given)[key] = v; };  // outlives this visitor
    if constexpr (detail::IsOptions<T>::value) {
      return;
    } else if constexpr (std::is_same_v<T, bool>) {
      // What is on by default is offered as what switches it off.
      const std::string name = value ? "--no-" + flag.substr(2) : flag;
      app_.add_flag_function(
          name, [store, on = value](std::int64_t) { store(!on); }, value ? std::string("off: ") + doc : doc);
    } else if constexpr (detail::IsVector<T>::value) {
      // One value per use, or numbers with commas: a greedy list would swallow what follows it.
      auto* option = app_.add_option_function<T>(flag, store, doc)->allow_extra_args(false);
      if constexpr (!std::is_same_v<T, std::vector<std::string>>)
        option->delimiter(',')->type_name("N,N,...")->default_str(join(value));
      else
        option->type_name("TEXT");
    } else {
      auto* option = app_.add_option_function<T>(flag, store, doc);
      option->type_name(std::is_floating_point_v<T> ? "X" : std::is_integral_v<T> ? "N" : "TEXT");
      if constexpr (std::is_same_v<T, std::string>) {
        if (choices.size() > 0) {
          std::string names;
          for (const char* choice : choices) names += (names.empty() ? "" : "|") + std::string(choice);
          option->type_name(names);
        }
        if (!value.empty()) option->default_str(value);
      } else {
        option->default_str(fmt::format("{}", value));
      }
    }
  }

 private:
  template <class T>
  static std::string join(const std::vector<T>& values) {
    std::string text;
    for (const auto& v : values) text += (text.empty() ? "" : ",") + fmt::format("{}", v);
    return text;
  }

  CLI::App& app_;
  Json& given_;
};

/// A command whose options are a documented struct: defaults, then --config, then --set in order, then its
/// own flags.
template <class Options>
class OptionsCommand : public Command {
 public:
  explicit OptionsCommand(Options defaults = {}) : defaults_(std::move(defaults)) {}

  void declare(CLI::App& app) override {
    FlagVisitor visitor(app, given_);
    Options copy = defaults_;
    copy.fields(visitor);
  }
  std::string options_help() const override {
    if (keys_are_options())
      return "Every option is also a key of --config and --set, with _ for - inside the name.\n";
    return "Keys of --config and --set, with their defaults:\n" + describe_options(defaults_);
  }
  Json resolved(const CommonOptions& common) const override { return options_to_json(resolve(common)); }
  Json run(const CommonOptions& common) override { return execute(resolve(common)); }

 protected:
  virtual Json execute(const Options& options) = 0;
  /// False where declare() offers something else than the struct's fields, so that --help has to list these.
  virtual bool keys_are_options() const { return true; }

  Options resolve(const CommonOptions& common) const {
    return load_options(common.config, common.set, defaults_, given_);
  }
  /// The option must have a value by now.
  void require(const std::string& value, const char* flag) const {
    if (value.empty()) invalid_input("{} is required; see \"{} {} --help\"", flag, program_name(), name());
  }

  Options defaults_;
  Json given_ = Json::object();
};

}  // namespace edgeclip
