#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"
#include "cli/runtime/command.h"

namespace edgeclip {

/// Declares a command-line option for every field of an option struct but nested structs (reached through
/// --set); values given by the user are collected in `given` under the field's key.  The command-line library
/// is seen by option_flags.cpp alone: its headers are the dearest of all to compile.
class FlagVisitor {
 public:
  /// given must outlive app's parsing.
  FlagVisitor(CLI::App& app, Json& given) : app_(app), given_(given) {}

  template <class T>
  void operator()(const char* key, T& value, const char* doc, Choices choices = {}) {
    if constexpr (!detail::IsOptions<T>::value) declare(key, value, doc, choices);
  }

 private:
  void declare(const char* key, bool value, const char* doc, Choices choices);
  void declare(const char* key, int value, const char* doc, Choices choices);
  void declare(const char* key, std::int64_t value, const char* doc, Choices choices);
  void declare(const char* key, std::uint64_t value, const char* doc, Choices choices);
  void declare(const char* key, double value, const char* doc, Choices choices);
  void declare(const char* key, const std::string& value, const char* doc, Choices choices);
  void declare(const char* key, const std::vector<std::string>& value, const char* doc, Choices choices);
  void declare(const char* key, const std::vector<int>& value, const char* doc, Choices choices);

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
