#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace edgeclip {

/// Keys keep the order in which they were written, so that files read as their writer meant them.
using Json = nlohmann::ordered_json;

/// Reads a whole JSON file.  Throws InvalidInput naming the file, line and column of the first error.
Json read_json(const std::filesystem::path& path);

/// Parses the whole text of a file, likewise: for those who have read it already (a pipe is read once).
Json parse_json(const std::string& text, const std::filesystem::path& path);

/// Writes it indented by two spaces through a temporary name and a rename.
void write_json(const std::filesystem::path& path, const Json& json);

/// json[key] as T.  where: "FILE: key.path", named in the InvalidInput if the key is missing or of another
/// type.
template <class T>
T json_get(const Json& json, const char* key, const std::string& where);

/// "a string", "a number", ...: what json is, for messages.
std::string json_kind(const Json& json);

/// Throws InvalidInput unless json is an object holding `key`.
const Json& json_at(const Json& json, const char* key, const std::string& where);

/// Indented by two spaces; what is not UTF-8 becomes U+FFFD.
std::string json_text(const Json& json);

/// Whether a JSON integer is within the range of T.
template <class T>
bool integer_fits(const Json& json) {
  if (json.is_number_unsigned()) return std::in_range<T>(json.get<std::uint64_t>());
  return std::in_range<T>(json.get<std::int64_t>());
}

[[noreturn]] void json_type_error(const Json& json, const char* key, const std::string& where,
                                  const char* expected);

template <class T>
T json_get(const Json& json, const char* key, const std::string& where) {
  const Json& value = json_at(json, key, where);
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) json_type_error(value, key, where, "true or false");
  } else if constexpr (std::is_integral_v<T>) {
    if (!value.is_number_integer()) json_type_error(value, key, where, "an integer");
    if (!integer_fits<T>(value)) json_type_error(value, key, where, "an integer in range");
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) json_type_error(value, key, where, "a number");
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) json_type_error(value, key, where, "a string");
  }
  try {
    return value.get<T>();
  } catch (const nlohmann::json::exception&) {
    json_type_error(value, key, where, "another type");
  }
}

}  // namespace edgeclip
