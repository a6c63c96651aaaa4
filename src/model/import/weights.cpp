#include "model/import/weights.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "model/torch_file/torch_file.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Weights of a folder, in the order in which they are looked for; an index names shards.
constexpr const char* kUsualNames[] = {"model.safetensors",           "model.safetensors.index.json",
                                       "open_clip_model.safetensors", "open_clip_pytorch_model.bin",
                                       "pytorch_model.bin",           "pytorch_model.bin.index.json"};

bool begins_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

}  // namespace

void Weights::add(const std::string& name, Get get) {
  if (!tensors_.emplace(name, std::move(get)).second)
    invalid_input("{}: two tensors are named \"{}\"", where_, name);
  names_.push_back(name);
}

/// only: the tensors that an index says are in this shard; all of them must be.
void Weights::add_file(const fs::path& file, const std::vector<std::string>* only) {
  bytes_ += fs::file_size(file);
  const auto add_all = [&](const auto& opened) {
    for (const auto& name : only != nullptr ? *only : opened->names())
      add(name, [opened, name] { return opened->get(name); });
  };
  const auto kind = file.extension();  // of a damaged file: its reader says what is wrong
  if (TorchFile::fits(file) || kind == ".pt" || kind == ".pth" || kind == ".bin")
    add_all(std::make_shared<const TorchFile>(file));
  else
    add_all(std::make_shared<const SafetensorsFile>(file));
}

void Weights::add_shards(const fs::path& index) {
  const Json json = read_json(index);
  const std::string where = index.string();
  const Json& map = json_at(json, "weight_map", where);
  if (!map.is_object() || map.empty())
    invalid_input("{}: weight_map: must be an object of tensors and their files", where);
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, shard] : map.items()) {
    if (!shard.is_string()) invalid_input("{}: weight_map: {}: must be the name of a file", where, name);
    const auto file = shard.get<std::string>();
    if (file.find('/') != std::string::npos || file.find('\\') != std::string::npos || file == "..")
      invalid_input("{}: weight_map: {}: \"{}\" leaves the folder", where, name, file);
    shards[file].push_back(name);
  }
  for (const auto& [file, names] : shards) {
    require_file(index.parent_path() / file, "shard of the weights");
    add_file(index.parent_path() / file, &names);
  }
}

/// Training checkpoints keep weights below "state_dict" beside an optimizer, and parallel training puts
/// "module." in front of every name.
void Weights::strip_wrappers() {
  const auto keep_below = [&](const std::string& prefix) {
    std::vector<std::string> kept;
    std::map<std::string, Get> tensors;
    for (const auto& name : names_) {
      if (!begins_with(name, prefix)) {
        left_out_.push_back(name);
        continue;
      }
      kept.push_back(name.substr(prefix.size()));
      tensors[kept.back()] = tensors_[name];
    }
    names_ = std::move(kept);
    tensors_ = std::move(tensors);
  };
  for (const char* prefix : {"state_dict.", "model_state_dict.", "model."})
    if (std::any_of(names_.begin(), names_.end(),
                    [&](const auto& name) { return begins_with(name, prefix); })) {
      keep_below(prefix);
      break;
    }
  const std::string module = "module.";
  if (std::all_of(names_.begin(), names_.end(), [&](const auto& name) { return begins_with(name, module); }))
    keep_below(module);
}

Weights Weights::open(const fs::path& path) {
  Weights weights;
  fs::path file = path;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    const auto* found = std::find_if(std::begin(kUsualNames), std::end(kUsualNames), [&](const char* name) {
      return fs::is_regular_file(path / name, error);
    });
    if (found == std::end(kUsualNames))
      invalid_input(
          "{}: holds no weights (model.safetensors, pytorch_model.bin, or an index of their shards)",
          path.string());
    file = path / *found;
  }
  require_file(file, "weights");
  weights.where_ = file.string();
  const std::string name = file.filename().string();
  constexpr std::string_view kIndex = ".index.json";
  if (name.size() > kIndex.size() && name.compare(name.size() - kIndex.size(), kIndex.size(), kIndex) == 0)
    weights.add_shards(file);
  else
    weights.add_file(file);
  weights.strip_wrappers();
  return weights;
}

Tensor Weights::get(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) invalid_input("{}: has no tensor \"{}\"", where_, name);
  return found->second();
}

int Weights::dim(const std::string& name, std::size_t rank, std::size_t d) const {
  const Tensor tensor = get(name);
  if (tensor.shape().size() != rank || !std::in_range<int>(tensor.shape()[d]))
    invalid_input("{}: tensor \"{}\" is {}, {} dimensions are expected", where_, name,
                  shape_string(tensor.shape()), rank);
  return static_cast<int>(tensor.shape()[d]);
}

int Weights::count_numbered(const std::string& prefix) const {
  std::set<std::string> numbers;
  for (const auto& name : names_) {
    if (!begins_with(name, prefix)) continue;
    const auto end = name.find_first_not_of("0123456789", prefix.size());
    if (end != std::string::npos && end > prefix.size() && name[end] == '.')
      numbers.insert(name.substr(prefix.size(), end - prefix.size()));
  }
  return static_cast<int>(numbers.size());
}

}  // namespace edgeclip
