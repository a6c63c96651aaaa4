#include "base/artifact.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/io_error.h"
#include "base/signals.h"

namespace edgeclip {

namespace fs = std::filesystem;

bool is_artifact_head(const std::filesystem::path& file) {
  try {
    const Json head = read_json(file);
    return head.is_object() && head.contains("format") && head["format"].is_number_integer() &&
           head.contains("edgeclip") && head["edgeclip"].is_string();
  } catch (const InvalidInput&) {
    return false;
  }
}

namespace {

/// What the folder with this head is, and what makes it.
const char* kind_of_folder(const std::string& head) {
  static const std::map<std::string, const char*> kinds = {
      {"plan.json", "a plan, made by \"build\""},
      {"bundle.json", "a bundle, made by \"export\" or \"quantize\""},
      {"gallery.json", "a gallery, made by \"index\""},
      {"dataset.json", "a prepared dataset, made by \"prepare\" or \"synthesize\""},
      {"run.json", "a training run, made by \"train\""},
      {"config.json", "a checkpoint, made by \"train\" or \"import\""},
      {"edgeclip_tokenizer.json", "a tokenizer folder of edgeclip"},
  };
  const auto it = kinds.find(head);
  return it == kinds.end() ? "the kind of folder that is needed here" : it->second;
}

}  // namespace

Json read_artifact_head(const std::filesystem::path& file, ArtifactFormats formats, const char* remedy) {
  if (!std::filesystem::exists(file))
    invalid_input("{}: holds no {}, so it is not {}; name such a folder", file.parent_path().string(),
                  file.filename().string(), kind_of_folder(file.filename().string()));
  Json head;
  try {
    head = read_json(file);
  } catch (const InvalidInput& error) {
    std::string message = error.what();  // a head is no text to be corrected by hand
    message.resize(std::min(message.size(), message.find("; correct the file")));
    invalid_input("{}; copy the folder again, or {}", message, remedy);
  }
  const std::string where = file.string();
  const int found = json_get<int>(head, "format", where);
  if (found > formats.newest)
    invalid_input("{}: format {} is newer than this build ({}); update edgeclip", where, found, formats.newest);
  if (found < formats.oldest)
    invalid_input("{}: format {} is older than this build ({}); {}", where, found, formats.oldest, remedy);
  return head;
}

Json file_table(const fs::path& directory, const std::string& except) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) names.push_back(entry.path().lexically_relative(directory).generic_string());
  std::sort(names.begin(), names.end());
  Json table = Json::object();
  for (const auto& name : names) {
    if (name == except) continue;
    table[name] = file_entry(directory / name);
  }
  return table;
}

Json file_entry(const fs::path& file) { return {{"bytes", fs::file_size(file)}, {"xxh3", hash_file(file)}}; }

void check_file_table(const fs::path& directory, const Json& table, const std::string& where,
                      FileCheck check) {
  if (!table.is_object()) invalid_input("{}: files: expected an object, found {}", where, json_kind(table));
  for (const auto& [name, entry] : table.items()) {
    if (check == FileCheck::kContents) throw_if_interrupted();
    const std::string at = fmt::format("{}: files.{}", where, name);
    if (!stays_below_root(name)) invalid_input("{}: leads out of the folder", at);
    const auto bytes = json_get<std::uint64_t>(entry, "bytes", at);
    const auto hash = json_get<std::string>(entry, "xxh3", at);
    const fs::path path = directory / name;
    if (file_type_at(path) != fs::file_type::regular)
      invalid_input("{}: is missing; copy the folder again", path.string());
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error) invalid_input("{}: is missing; copy the folder again", path.string());
    if (size != bytes)
      invalid_input("{}: has {} bytes, {} says {}; copy the folder again", path.string(), size, where, bytes);
    if (check == FileCheck::kContents && hash_file(path) != hash)
      invalid_input("{}: is damaged (its checksum is not that in {}); copy the folder again", path.string(),
                    where);
  }
}

}  // namespace edgeclip
