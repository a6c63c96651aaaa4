#include "base/artifact.h"

#include <algorithm>
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

Json read_artifact_head(const std::filesystem::path& file, int format, const char* remedy) {
  if (!std::filesystem::exists(file))
    invalid_input("{}: holds no {}, so it is not the kind of folder that is needed here",
                  file.parent_path().string(), file.filename().string());
  Json head = read_json(file);
  const std::string where = file.string();
  const int found = json_get<int>(head, "format", where);
  if (found > format)
    invalid_input("{}: format {} is newer than this build ({}); update edgeclip", where, found, format);
  if (found < format)
    invalid_input("{}: format {} is older than this build ({}); {}", where, found, format, remedy);
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
    table[name] = {{"bytes", fs::file_size(directory / name)}, {"xxh3", hash_file(directory / name)}};
  }
  return table;
}

void check_file_table(const fs::path& directory, const Json& table, const std::string& where,
                      FileCheck check) {
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
    if (check == FileCheck::kContents && hash_file(path) != hash)
      invalid_input("{}: is damaged (its checksum is not that in {}); copy the folder again", path.string(),
                    where);
  }
}

}  // namespace edgeclip
