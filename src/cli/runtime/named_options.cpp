#include "cli/runtime/named_options.h"

#include <filesystem>

namespace edgeclip {

namespace {

/// Objects are joined, anything else is taken over.
void join(Json& names, const Json& more) {
  for (const auto& [key, value] : more.items()) {
    if (value.is_object() && names.contains(key) && names[key].is_object())
      join(names[key], value);
    else if (!names.contains(key) || !value.is_object())
      names[key] = value;
  }
}

/// "a.b=value" as {"a": {"b": value}}; the value as JSON where it is an object, whose keys are names too.
Json names_of(const std::string& setting) {
  const auto equals = setting.find('=');
  const std::string text = equals == std::string::npos ? "" : setting.substr(equals + 1);
  Json names = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!names.is_object()) names = true;
  for (std::string path = setting.substr(0, equals); !path.empty();) {
    const auto dot = path.rfind('.');
    Json outer = Json::object();
    outer[dot == std::string::npos ? path : path.substr(dot + 1)] = std::move(names);
    names = std::move(outer);
    path = dot == std::string::npos ? "" : path.substr(0, dot);
  }
  return names;
}

}  // namespace

Json named_options(const CommonOptions& common, const Json& given) {
  Json names = Json::object();
  std::error_code error;
  for (const auto& file : common.config)
    if (std::filesystem::is_regular_file(file, error)) join(names, read_json(file));
  for (const auto& setting : common.set) join(names, names_of(setting));
  join(names, given);
  return names;
}

}  // namespace edgeclip
