#include <algorithm>

#include "base/atomic_output.h"
#include "base/build_info.h"
#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"
#include "model/checkpoint.h"

namespace edgeclip {

namespace {

struct Options {
  std::string checkpoint, use, out;
  std::vector<std::string> add, drop;
  bool save_base = false, overwrite = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("checkpoint", checkpoint, "checkpoint to start from, with its adapters or without");
    v("add", add, "NAME=DIR, the folder of a PEFT adapter or of a checkpoint with one; one per use");
    v("drop", drop, "names of adapters of the checkpoint that are left out");
    v("use", use, "the adapter in use where none is named; default: the checkpoint's, or the last added");
    v("save_base", save_base, "holds the base's weights too, instead of their place");
    v("out", out, "checkpoint to write");
    v("overwrite", overwrite, "replaces a checkpoint in --out");
  }
};

struct Named {
  std::string name;
  std::filesystem::path folder;
};

std::vector<Named> adapters_to_add(const std::vector<std::string>& add) {
  std::vector<Named> named;
  for (const auto& item : add) {
    const auto equals = item.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == item.size())
      invalid_input("--add {}: expected NAME=DIR, the adapter's name and its folder", item);
    named.push_back({item.substr(0, equals), item.substr(equals + 1)});
  }
  return named;
}

class AdaptersCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "adapters"; }
  const char* summary() const override { return "Keeps several named adapters in one checkpoint"; }
  const char* example() const override {
    return "adapters --checkpoint clip/ --add day=day_run/best --add night=peft_folder/ --use day --out both/";
  }

 protected:
  Json execute(const Options& options) override {
    require(options.checkpoint, "--checkpoint");
    require(options.out, "--out");
    const auto named = adapters_to_add(options.add);
    auto sources = checkpoint_sources(options.checkpoint);
    for (const auto& one : named) sources.push_back(one.folder);
    AtomicDirectory out(options.out, kCheckpointFile, {options.overwrite, sources});
    Checkpoint checkpoint = load_checkpoint(options.checkpoint);
    AdapterSet& adapters = checkpoint.model->adapters;
    const std::string before = adapters.used();
    for (const auto& name : options.drop) {
      adapters.use(name);  // which says what is there if it is not
      adapters.remove(name);
    }
    for (const auto& one : named) add_adapter(checkpoint, one.name, one.folder);
    const auto names = adapters.names();
    if (names.empty()) invalid_input("{}: no adapter is left; name some with --add", options.out);
    const bool stays = std::find(names.begin(), names.end(), before) != names.end();
    adapters.use(!options.use.empty() ? options.use : stays ? before : adapters.used());
    if (adapters.used().empty()) adapters.use(names.front());
    checkpoint.adapter_only = !options.save_base;
    checkpoint.provenance.push_back(
        {{"command", "adapters"}, {"version", version()}, {"options", options_to_json(options)}});
    save_checkpoint(out, checkpoint);
    print(fmt::format("{}: checkpoint with {} adapters written; {} is in use\n", options.out, names.size(),
                      adapters.used()));
    return {{"checkpoint", options.checkpoint},
            {"out", options.out},
            {"adapters", names},
            {"adapter", adapters.used()},
            {"base", checkpoint.saves_base() ? Json(nullptr) : Json(checkpoint.base->directory.string())}};
  }
};

}  // namespace

std::unique_ptr<Command> adapters_command() { return std::make_unique<AdaptersCommand>(); }

}  // namespace edgeclip
