#include "base/json.h"

#include <algorithm>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_depth.h"

namespace edgeclip {

Json read_json(const std::filesystem::path& path) { return parse_json(read_file(path), path); }

Json parse_json(const std::string& text, const std::filesystem::path& path) {
  require_shallow_json(text, path.string());
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const std::size_t end = std::min(text.size(), error.byte == 0 ? 0 : error.byte - 1);
    const auto line = 1 + std::count(text.begin(), text.begin() + end, '\n');
    const auto start = text.rfind('\n', end == 0 ? 0 : end - 1);
    const auto column = end - (start == std::string::npos || end == 0 ? 0 : start + 1) + 1;
    invalid_input("{}: not valid JSON at line {}, column {}{}; correct the file", path.string(), line, column,
                  text.empty() ? " (the file is empty)" : "");
  } catch (const nlohmann::json::exception&) {
    invalid_input("{}: not valid JSON (a number out of range or text that is not UTF-8); correct the file",
                  path.string());
  }
}

void write_json(const std::filesystem::path& path, const Json& json) {
  AtomicFile file(path);
  file.write(json_text(json) + "\n");
  file.commit();
}

std::string json_text(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

std::string json_kind(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::string:
      return "the string \"" + json.get<std::string>().substr(0, 40) + "\"";
    case Json::value_t::boolean:
      return json.get<bool>() ? "true" : "false";
    default:
      return "the number " + json.dump();
  }
}

const Json& json_at(const Json& json, const char* key, const std::string& where) {
  if (!json.is_object())
    invalid_input("{}: expected an object with \"{}\", found {}", where, key, json_kind(json));
  const auto it = json.find(key);
  if (it == json.end()) invalid_input("{}: \"{}\" is missing", where, key);
  return *it;
}

void json_type_error(const Json& json, const char* key, const std::string& where, const char* expected) {
  invalid_input("{}: \"{}\" must be {}, not {}", where, key, expected, json_kind(json));
}

}  // namespace edgeclip
