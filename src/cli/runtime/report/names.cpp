#include "cli/runtime/report/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace edgeclip::report {

namespace fs = std::filesystem;

Json value_at(const Json& json, const std::string& path) {
  const Json* at = &json;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string key = path.substr(begin, end - begin);
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &at->at(key);
    begin = end + 1;
  }
  return *at;
}

std::string text_at(const Json& json, const std::string& key) {
  const Json value = value_at(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string artifact_name(const std::string& path) {
  const auto without_slash = [](const fs::path& p) { return p.has_filename() ? p : p.parent_path(); };
  fs::path artifact = without_slash(fs::path(path).lexically_normal());
  if ((artifact.filename() == "best" || artifact.filename() == "final") && artifact.has_parent_path())
    artifact = artifact.parent_path();
  return artifact.has_filename() ? artifact.filename().string() : path;
}

std::string model_name(const NamedReport& report) {
  for (const char* key : {"encoder", "plan"})
    if (const std::string path = text_at(report.second, key); !path.empty()) return artifact_name(path);
  return report.first.stem().string();
}

std::string data_name(const Json& report) {
  std::string name = text_at(report, "data");
  if (name.empty()) return name;
  name = artifact_name(name);
  if (const auto split = text_at(report, "split"); !split.empty() && split != "test") name += " " + split;
  if (const auto people = text_at(report, "people"); !people.empty() && people != "all")
    name += fmt::format(", {} people", people);
  return name;
}

std::string cell_text(const Json& value) {
  if (value.is_null()) return "—";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) {
    const double v = value.get<double>();
    return std::abs(v) >= 1000 ? fmt::format("{:.0f}", v) : fmt::format("{:.4g}", v);
  }
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace edgeclip::report
