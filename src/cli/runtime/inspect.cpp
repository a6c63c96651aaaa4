#include <CLI/CLI.hpp>

#include "cli/runtime/artifact_info.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/system_info.h"
#include "cli/runtime/texts.h"

namespace edgeclip {

namespace {

struct Options {
  std::string path;
  bool system = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("path", path, "file or folder");
    v("system", system, "instead of a file: CPU features, BLAS, threads, library versions");
  }
};

constexpr std::size_t kLongestLine = 110;

/// A step of a history in a line: its command and what it read; its options are in --json.
std::string step_line(const Json& step) {
  if (!step.is_object()) return beginning(step.dump(), kLongestLine);
  std::string line;
  for (const auto& [key, value] : step.items()) {
    if (value.is_structured() || value.is_null() || key == "revision") continue;
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    line +=
        key == "command" ? text : fmt::format("{}{} {}", line.empty() ? "" : ", ", key, beginning(text, 40));
  }
  return beginning(line, kLongestLine);
}

/// A layer of a plan in a line; the ONNX nodes behind it are named where it is not one of its own name.
std::string layer_line(const Json& layer) {
  const std::string name = layer.at("name").get<std::string>();
  const auto origins = layer.at("origins").get<std::vector<std::string>>();
  std::string line =
      fmt::format("{:<40} {:<20} {:<6} {}", beginning(name, 40), layer.at("op").get<std::string>(),
                  layer.at("precision").get<std::string>(), layer.at("kernel").get<std::string>());
  if (origins.size() > 1)
    line += fmt::format("  of {}", beginning(fmt::format("{}", fmt::join(origins, ", ")), 80));
  return line;
}

void print_tree(const Json& json, int indent) {
  for (const auto& [key, value] : json.items()) {
    const std::string start = std::string(static_cast<std::size_t>(indent), ' ') + key;
    if ((key == "provenance" || key == "layers") && value.is_array() && !value.empty()) {
      print(start + "\n");
      for (const auto& one : value)
        print(std::string(static_cast<std::size_t>(indent) + 2, ' ') +
              (key == "layers" ? layer_line(one) : step_line(one)) + "\n");
    } else if (value.is_object() && !value.empty()) {
      print(start + "\n");
      print_tree(value, indent + 2);
    } else {
      print(
          fmt::format("{:<{}} {}\n", start, 24, value.is_string() ? value.get<std::string>() : value.dump()));
    }
  }
}

/// Types stand before the shapes of an ONNX file's inputs and outputs.
Json for_people(Json info) {
  if (info.value("kind", "") != "onnx") return info;
  for (const char* ports : {"inputs", "outputs"})
    for (auto& [name, shape] : info[ports].items())
      shape = info["dtype"].at(name).get<std::string>() + " " + shape.get<std::string>();
  info.erase("dtype");
  return info;
}

class InspectCommand : public OptionsCommand<Options> {
 public:
  explicit InspectCommand(std::function<Json()> workshop_libraries)
      : libraries_(std::move(workshop_libraries)) {}

  const char* name() const override { return "inspect"; }
  const char* summary() const override {
    return "Says what a file or folder of ours is, or what this machine has";
  }
  const char* example() const override { return "inspect bundle/"; }

  void declare(CLI::App& app) override {
    app.add_option_function<std::string>(
        "PATH", [this](const std::string& path) { given_["path"] = path; }, "file or folder");
    app.add_flag_function(
        "--system", [this](std::int64_t) { given_["system"] = true; },
        "CPU features, BLAS, threads, library versions");
  }

 protected:
  Json execute(const Options& options) override {
    if (options.path.empty() != options.system)
      invalid_input("name one PATH, or use --system; see \"{} inspect --help\"", program_name());
    Json info = options.system ? system_info() : artifact_info(options.path);
    if (options.system && libraries_) info["libraries"].update(libraries_());
    print_tree(for_people(info), 0);
    return info;
  }

 private:
  const std::function<Json()> libraries_;
};

}  // namespace

std::unique_ptr<Command> inspect_command(const std::function<Json()>& workshop_libraries) {
  return std::make_unique<InspectCommand>(workshop_libraries);
}

}  // namespace edgeclip
