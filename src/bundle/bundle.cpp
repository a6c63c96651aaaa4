#include "bundle/bundle.h"

#include <algorithm>
#include <vector>

#include "base/artifact.h"
#include "base/build_info.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/io_error.h"
#include "base/signals.h"
#include "data/dataset/image_root.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr int kBundleFormat = 1;
constexpr const char* kBundleJson = "bundle.json";

}  // namespace

Json file_table(const fs::path& directory, const std::string& except) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) names.push_back(entry.path().lexically_relative(directory).generic_string());
  std::sort(names.begin(), names.end());
  Json table = Json::object();
  for (const auto& name : names) {
    if (name == except) continue;
    table[name] = {{"bytes", fs::file_size(directory / name)}, {"xxh3", hash_file(directory / name)}};
  }
  return table;
}

void check_file_table(const fs::path& directory, const Json& table, const std::string& where) {
  if (!table.is_object()) invalid_input("{}: files: expected an object, found {}", where, json_kind(table));
  for (const auto& [name, entry] : table.items()) {
    throw_if_interrupted();
    const std::string at = fmt::format("{}: files.{}", where, name);
    if (!stays_below_root(name)) invalid_input("{}: leads out of the folder", at);
    const auto bytes = json_get<std::uint64_t>(entry, "bytes", at);
    const auto hash = json_get<std::string>(entry, "xxh3", at);
    const fs::path path = directory / name;
    if (file_type_at(path) != fs::file_type::regular)
      invalid_input("{}: is missing; copy the folder again", path.string());
    const auto size = fs::file_size(path);
    if (size != bytes)
      invalid_input("{}: has {} bytes, {} says {}; copy the folder again", path.string(), size, where, bytes);
    if (hash_file(path) != hash)
      invalid_input("{}: is damaged (its checksum is not that in {}); copy the folder again", path.string(),
                    where);
  }
}

Bundle open_bundle(const fs::path& directory) {
  require_directory(directory, "bundle");
  const fs::path file = directory / kBundleJson;
  const std::string where = file.string();
  const Json json = read_artifact_head(file, kBundleFormat, "export the bundle again");
  Bundle bundle;
  bundle.directory = directory;
  options_from_json(json_at(json, "card", where), bundle.card, where + ": card");
  bundle.precision = json_get<std::string>(json, "precision", where);
  if (bundle.precision != "fp32" && bundle.precision != "int8")
    invalid_input("{}: precision: \"{}\" is neither \"fp32\" nor \"int8\"", where, bundle.precision);
  bundle.provenance = json_at(json, "provenance", where);
  const Json& files = json_at(json, "files", where);
  check_file_table(directory, files, where);
  for (const char* name : {"image.onnx", "text.onnx", "reference.safetensors"})
    if (!files.contains(name))
      invalid_input("{}: files: {} is not listed; export the bundle again", where, name);
  require_directory(bundle.tokenizer(), "tokenizer");
  return bundle;
}

void write_bundle_json(const fs::path& work, const Bundle& bundle) {
  Json json = Json::object();
  json["format"] = kBundleFormat;
  json["edgeclip"] = version();
  json["card"] = options_to_json(bundle.card);
  json["precision"] = bundle.precision;
  json["provenance"] = bundle.provenance.is_null() ? Json::array() : bundle.provenance;
  json["files"] = file_table(work, kBundleJson);
  write_json(work / kBundleJson, json);
}

}  // namespace edgeclip
