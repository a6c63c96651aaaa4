#include "model/checkpoint_adapters.h"

#include <algorithm>
#include <cctype>

#include "base/artifact.h"
#include "base/error.h"
#include "base/nearest.h"
#include "bundle/bundle.h"
#include "model/lora/adapter_file.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

fs::path folder_of(const fs::path& directory, const std::string& name) {
  return name == kUsualAdapter ? directory : directory / "adapters" / name;
}

void require_name(const std::string& name, const std::string& where) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_';
  });
  if (!plain || name == kNoAdapter)
    invalid_input("{}: \"{}\" cannot name an adapter; use letters, digits, - and _, but not \"{}\"", where, name,
                  kNoAdapter);
}

/// The names in config.json; those that have one adapter need not say so.
std::vector<std::string> saved_names(const Json& json, const std::string& where) {
  if (!json.contains("adapters"))
    return json_at(json, "lora", where).is_null() ? std::vector<std::string>{}
                                                  : std::vector<std::string>{kUsualAdapter};
  const auto names = json_get<std::vector<std::string>>(json, "adapters", where);
  for (const auto& name : names) require_name(name, where + ": adapters");
  return names;
}

std::string saved_choice(const Json& json, const std::vector<std::string>& names, const std::string& where) {
  if (!json.contains("adapter")) return names.empty() ? "" : names.front();
  return json["adapter"].is_null() ? "" : json_get<std::string>(json, "adapter", where);
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

[[noreturn]] void no_such_adapter(const std::string& adapter, const std::vector<std::string>& names,
                                  const std::string& checkpoint) {
  std::string known;
  for (const auto& name : names) known += (known.empty() ? "" : ", ") + name;
  invalid_input("--adapter {}: is neither a folder nor an adapter of {}, which has {}{}", adapter, checkpoint,
                known.empty() ? "none" : known, did_you_mean(adapter, names));
}

/// Where an adapter's two files are, and, of one of our checkpoints, the weights that it belongs to.
struct AdapterHome {
  fs::path files;
  std::string hash;   ///< of the base's weights; "": not known
  bool bf16 = false;  ///< whether they are rounded before it is added
};

/// directory: PEFT's, a checkpoint with an adapter in use, adapters/NAME of one, or a run.
AdapterHome home_of(const fs::path& directory) {
  AdapterHome home;
  home.files = fs::weakly_canonical(directory);
  if (fs::exists(home.files / "run.json")) home.files = checkpoint_folder(home.files);
  fs::path head = home.files / kCheckpointFile;
  const bool named = !is_artifact_head(head);
  if (named) head = home.files.parent_path().parent_path() / kCheckpointFile;
  if (!is_artifact_head(head)) return home;
  const Json json = read_json(head);
  const std::string where = head.string();
  const auto names = saved_names(json, where);
  if (named && folder_of(head.parent_path(), home.files.filename().string()) != home.files) return home;
  if (const std::string chosen = saved_choice(json, names, where); !named && !chosen.empty())
    home.files = folder_of(home.files, chosen);
  if (json.contains("base")) {
    home.hash = json_get<std::string>(json["base"], "hash", where + ": base");
    home.bf16 = json_get<bool>(json["base"], "bf16", where + ": base");
  } else if (const auto files = json.find("files");
             files != json.end() && files->is_object() && files->contains(kWeightsFile)) {
    home.hash = json_get<std::string>(files->at(kWeightsFile), "xxh3", where + ": files");
  }
  return home;
}

}  // namespace

void add_adapter(Checkpoint& checkpoint, const std::string& name, const fs::path& directory) {
  require_name(name, "adapter");
  const AdapterHome home = home_of(directory);
  const auto refuse = [&](const std::string& what) {
    invalid_input(
        "{}: its adapter was trained on {} than {} has; name the checkpoint that it was trained on, or "
        "give a copy of its adapter_config.json and adapter_model.safetensors alone",
        directory.string(), what, checkpoint.base->directory.string());
  };
  const bool known = checkpoint.base && !home.hash.empty();
  if (known && home.hash != checkpoint.base->hash) refuse("other weights");
  if (known && home.bf16 != checkpoint.base->bf16)
    refuse(home.bf16 ? "weights rounded to bfloat16" : "weights that are not rounded to bfloat16");
  checkpoint.model->adapters.use("");
  checkpoint.model->adapters.add(name, read_adapter(*checkpoint.model, home.files));
}

void add_saved_adapters(Checkpoint& checkpoint, const Json& json, const std::string& where) {
  const auto names = saved_names(json, where);
  AdapterSet& adapters = checkpoint.model->adapters;
  for (const auto& name : names) {
    adapters.use("");
    adapters.add(name, read_adapter(*checkpoint.model, folder_of(checkpoint.directory, name)));
  }
  if (names.empty()) return;
  const std::string chosen = saved_choice(json, names, where);
  if (!chosen.empty() && !holds(names, chosen))
    invalid_input("{}: adapter: \"{}\" is none of its adapters; copy the checkpoint again", where, chosen);
  adapters.use(chosen);
}

void use_adapter(Checkpoint& checkpoint, const std::string& adapter) {
  AdapterSet& adapters = checkpoint.model->adapters;
  const auto names = adapters.names();
  if (adapter.empty()) return;
  if (adapter == kNoAdapter) return adapters.use("");
  if (holds(names, adapter)) return adapters.use(adapter);
  if (!fs::is_directory(adapter)) no_such_adapter(adapter, names, checkpoint.directory.string());
  for (const auto& name : names) adapters.remove(name);
  add_adapter(checkpoint, kUsualAdapter, adapter);
}

LoraOptions adapter_options(const fs::path& path, const std::string& adapter) {
  const fs::path directory = checkpoint_folder(path), file = directory / kCheckpointFile;
  const Json json = read_artifact_head(file, kCheckpointFormats, "train it again");
  const auto names = saved_names(json, file.string());
  const std::string name = adapter.empty() ? saved_choice(json, names, file.string()) : adapter;
  if (name.empty() || name == kNoAdapter)
    invalid_input("{}: no adapter of it is in use; name one with --adapter", directory.string());
  if (holds(names, name)) return read_adapter_options(folder_of(directory, name));
  if (!fs::is_directory(name)) no_such_adapter(name, names, directory.string());
  return read_adapter_options(home_of(name).files);
}

void save_adapters(const Checkpoint& checkpoint, const fs::path& directory, Json& json) {
  const AdapterSet& adapters = checkpoint.model->adapters;
  const auto names = adapters.names();
  json["lora"] = nullptr;
  if (names.empty()) return;
  const std::string& used = adapters.used();
  json["lora"] = options_to_json(adapters.adapter(used.empty() ? names.front() : used).options);
  json["adapters"] = names;
  json["adapter"] = used.empty() ? Json(nullptr) : Json(used);
  for (const auto& name : names) {
    fs::create_directories(folder_of(directory, name));
    write_adapter(adapters.adapter(name), folder_of(directory, name));
  }
}

CheckpointBase base_as_used(const Checkpoint& checkpoint) {
  CheckpointBase base = checkpoint.base.value();
  for (const auto& parameter : checkpoint.model->parameters())
    base.bf16 = base.bf16 || parameter.scalar_type() == torch::kBFloat16;
  return base;
}

}  // namespace edgeclip
