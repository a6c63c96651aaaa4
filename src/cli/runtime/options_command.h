#pragma once

#include <string>
#include <vector>

#include "base/options.h"
#include "cli/runtime/command.h"

namespace edgeclip {

/// Declares a command-line option for every field of an option struct but nested structs (reached through
/// --set); values given by the user are collected in `given` under the field's key.  The command-line library
/// is seen by option_flags.cpp alone: its headers are the dearest of all to compile.
class FlagVisitor final : public FieldVisitor {
 public:
  /// given must outlive app's parsing.
  FlagVisitor(CLI::App& app, Json& given) : app_(app), given_(given) {}

 private:
  /// A field that has no form on the command line (a map, a list of structs) is a failed check.
  void visit(const char* key, detail::Field field, const char* doc, Choices choices) override;

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
    const detail::Field options = detail::field_of(defaults_);
    options.type->fields(options.value, visitor);
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
    Options options = load_options(common.config, common.set, defaults_, given_);
    settle(options, common);
    return options;
  }
  /// Fills in what follows from other options, so that --print-config shows what is in force.
  virtual void settle(Options&, const CommonOptions&) const {}
  /// The option must have a value by now.
  void require(const std::string& value, const char* flag) const {
    if (value.empty()) invalid_input("{} is required; see \"{} {} --help\"", flag, program_name(), name());
  }

  Options defaults_;
  Json given_ = Json::object();
};

}  // namespace edgeclip
